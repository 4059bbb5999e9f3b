//! What a function answers is what its caller gets.

use bytes::Bytes;
use jobber_actors::invocation::{
    BodyError, FunctionError, LostReason, Outcome, OutputBody, Refusal, TimeoutPhase, body_channel,
};
use jobber_actors::ports::RunnerExit;

use super::{PATIENCE, TestGateway, responded, text};

#[tokio::test]
async fn status_header_and_body_pass_through() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let call = gateway.call().await;
    let id = call.id.to_string();
    let headers = [
        ("set-cookie", "a=1"),
        ("X-Odd", "caf\u{e9}"),
        ("set-cookie", "b=2"),
    ];
    call.reply.answer(responded(
        201,
        &headers,
        OutputBody::Whole(Bytes::from_static(b"made")),
    ));
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (201, "made"));
    assert_eq!(answer.headers("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.header("content-length"), Some("4"));
    assert_eq!(answer.header("x-jobber-invocation"), Some(id.as_str()));
    assert!(answer.header("x-odd").is_some());
    gateway.stopped().await;
}

#[tokio::test]
async fn a_functions_connection_header_stays_behind() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let headers = [
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Keep-Alive", "timeout=1"),
        ("Content-Length", "999"),
        ("X-Stays", "1"),
    ];
    gateway.call().await.reply.answer(responded(
        200,
        &headers,
        OutputBody::Whole(Bytes::from_static(b"ok")),
    ));
    let answer = client.answer().await;
    assert_eq!(answer.text(), "ok");
    for gone in ["connection", "x-hop", "transfer-encoding", "keep-alive"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    assert_eq!(answer.header("x-stays"), Some("1"));
    client.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(text("again"));
    assert_eq!(client.answer().await.text(), "again");
}

#[tokio::test]
async fn a_streamed_answer_comes_chunk_by_chunk() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let (mut sender, receiver) = body_channel(1024);
    gateway.call().await.reply.answer(responded(
        200,
        &[("content-type", "text/event-stream")],
        OutputBody::Stream(receiver),
    ));
    assert_eq!(client.head().await.header("transfer-encoding"), Some("chunked"));
    for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
        assert!(sender.send(Bytes::from_static(event.as_bytes())).await);
        assert_eq!(
            client.chunk().await.as_deref(),
            Some(event.as_bytes()),
            "before the next one is made"
        );
    }
    sender.finish();
    assert_eq!(client.chunk().await, None);
    gateway.settled().await;
}

#[tokio::test]
async fn a_streamed_answer_of_known_length_is_not_chunked() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let (mut sender, receiver) = body_channel(1024);
    gateway.call().await.reply.answer(responded(
        200,
        &[("content-length", "6")],
        OutputBody::Stream(receiver),
    ));
    sender.push(Bytes::from_static(b"abc"));
    sender.push(Bytes::from_static(b"def"));
    sender.finish();
    let answer = client.answer().await;
    assert_eq!(
        (answer.text(), answer.header("transfer-encoding")),
        ("abcdef", None)
    );
}

#[tokio::test]
async fn an_answer_that_is_cut_short_does_not_look_whole() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let (mut sender, receiver) = body_channel(1024);
    gateway
        .call()
        .await
        .reply
        .answer(responded(200, &[], OutputBody::Stream(receiver)));
    sender.push(Bytes::from_static(b"half"));
    client.head().await;
    assert_eq!(client.chunk().await.as_deref(), Some(b"half".as_slice()));
    sender.fail(BodyError::CutShort("the runner was lost".into()));
    assert!(client.is_closed().await, "no last chunk");
    gateway.settled().await;
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_answer() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let (mut sender, receiver) = body_channel(1024);
    gateway
        .call()
        .await
        .reply
        .answer(responded(200, &[], OutputBody::Stream(receiver)));
    client.head().await;
    drop(client);
    let told = async { while sender.send(Bytes::from_static(b"more")).await {} };
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("the function hears of it");
    gateway.settled().await;
}

#[tokio::test]
async fn head_says_what_get_would_and_has_no_body() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("HEAD", "/get", "").await;
    gateway.call().await.reply.answer(text("twelve bytes"));
    let answer = client.head().await;
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, Some("12"))
    );
    client.request("HEAD", "/f", "").await;
    gateway.call().await.reply.answer(responded(
        200,
        &[("content-length", "77")],
        OutputBody::Whole(Bytes::new()),
    ));
    assert_eq!(
        client.head().await.header("content-length"),
        Some("77"),
        "what a handler for HEAD says counts"
    );
    client.request("HEAD", "/nowhere", "").await;
    assert_eq!(client.head().await.status, 404);
    client.request("GET", "/get", "").await;
    gateway.call().await.reply.answer(text("next"));
    assert_eq!(
        client.answer().await.text(),
        "next",
        "the connection is still in step"
    );
}

#[tokio::test]
async fn statuses_without_a_body_have_none() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    for status in [204, 304] {
        client.request("GET", "/f", "").await;
        let body = OutputBody::Whole(Bytes::from_static(b"ignored"));
        gateway
            .call()
            .await
            .reply
            .answer(responded(status, &[("etag", "\"1\"")], body));
        let answer = client.head().await;
        assert_eq!(
            (answer.status, answer.header("transfer-encoding")),
            (status, None)
        );
        assert_eq!(answer.header("etag"), Some("\"1\""));
    }
    client.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(text("in step"));
    assert_eq!(client.answer().await.text(), "in step");
}

#[tokio::test]
async fn an_old_client_gets_a_stream_that_ends_with_the_connection() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.send("GET /f HTTP/1.0\r\n\r\n").await;
    let (mut sender, receiver) = body_channel(1024);
    gateway
        .call()
        .await
        .reply
        .answer(responded(200, &[], OutputBody::Stream(receiver)));
    sender.push(Bytes::from_static(b"all of it"));
    sender.finish();
    assert_eq!(client.head().await.header("transfer-encoding"), None);
    let mut rest = String::new();
    while let Some(byte) = client.next_byte().await {
        rest.push(char::from(byte));
    }
    assert_eq!(rest, "all of it");
}

#[tokio::test]
async fn each_way_to_fail_has_its_status_and_code() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    let error = FunctionError {
        name: "TypeError".into(),
        message: "secret".into(),
        ..FunctionError::default()
    };
    let second = std::time::Duration::from_secs(1);
    let exit = RunnerExit {
        out_of_memory: true,
        ..RunnerExit::default()
    };
    let cases = [
        (Outcome::Failed(error.clone()), 500, "function-failed", false),
        (
            Outcome::Lost(LostReason::RunnerExited { exit }),
            502,
            "runner-lost",
            false,
        ),
        (
            Outcome::TimedOut {
                phase: TimeoutPhase::Handler,
                after: second,
            },
            504,
            "function-timeout",
            false,
        ),
        (
            Outcome::TimedOut {
                phase: TimeoutPhase::Queue,
                after: second,
            },
            503,
            "queue-timeout",
            true,
        ),
        (
            Outcome::Refused(Refusal::QueueFull { limit: 3 }),
            429,
            "queue-full",
            true,
        ),
        (
            Outcome::Refused(Refusal::ShuttingDown),
            503,
            "shutting-down",
            true,
        ),
        (
            Outcome::Refused(Refusal::NoRunner("secret".into())),
            503,
            "no-runner",
            true,
        ),
        (
            Outcome::Refused(Refusal::LoadFailed(error)),
            500,
            "load-failed",
            false,
        ),
        (Outcome::Settled, 500, "invalid-response", false),
        (
            responded(101, &[], OutputBody::Whole(Bytes::new())),
            500,
            "invalid-response",
            false,
        ),
        (
            responded(200, &[("bad name", "1")], OutputBody::Whole(Bytes::new())),
            500,
            "invalid-response",
            false,
        ),
        (
            responded(200, &[("x", "a\r\nb: c")], OutputBody::Whole(Bytes::new())),
            500,
            "invalid-response",
            false,
        ),
    ];
    for (outcome, status, code, retry) in cases {
        client.request("GET", "/f", "").await;
        let call = gateway.call().await;
        let id = call.id.to_string();
        call.reply.answer(outcome);
        let answer = client.answer().await;
        let problem = answer.problem();
        assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)));
        assert_eq!(problem["status"], status);
        assert_eq!(problem["invocation"], id);
        assert_eq!(answer.header("x-jobber-invocation"), Some(id.as_str()));
        assert_eq!(answer.header("retry-after").is_some(), retry, "{code}");
        assert!(
            !answer.text().contains("secret"),
            "what a function says to its author is not for its callers"
        );
    }
}

#[tokio::test]
async fn a_developer_sees_what_was_thrown() {
    let mut gateway = TestGateway::with(|config| config.expose_errors = true);
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(Outcome::Failed(FunctionError {
        name: "TypeError".into(),
        message: "x is not a function".into(),
        stack: "TypeError: x is not a function\n    at handler (/app/index.js:1:1)".into(),
        code: None,
    }));
    let problem = client.answer().await.problem();
    assert_eq!(problem["detail"], "TypeError: x is not a function");
    assert!(
        problem["error"]["stack"]
            .as_str()
            .expect("a stack")
            .contains("index.js")
    );
}

#[tokio::test]
async fn an_invocation_that_is_dropped_answers_its_caller() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    drop(gateway.call().await);
    assert_eq!(client.answer().await.code(), "runner-lost");
}
