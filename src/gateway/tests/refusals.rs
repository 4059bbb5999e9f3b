//! Requests that no function gets to see.

use jobber_actors::invocation::Refusal;

use super::{TestGateway, text};

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_apart() {
    let gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/nowhere", "").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "no-route"));
    assert_eq!(answer.problem()["type"], "/_jobber/errors/no-route");
    assert!(answer.header("x-jobber-invocation").is_some());
    client.request("DELETE", "/get", "").await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (405, "method-not-allowed")
    );
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn a_full_queue_refuses_before_the_body_is_sent() {
    let mut gateway = TestGateway::start();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        client.request("GET", "/f", "").await;
        waiting.push((client, gateway.call().await));
    }
    let mut late = gateway.connect().await;
    late.request("POST", "/f", "content-length: 100000000\r\n").await;
    let answer = late.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "queue-full"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let (mut client, call) = waiting.remove(0);
    call.reply.answer(text("done"));
    drop(call.permit);
    assert_eq!(client.answer().await.text(), "done");
    let mut next = gateway.connect().await;
    next.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(text("room again"));
    assert_eq!(next.answer().await.text(), "room again");
    assert_eq!(gateway.gateway.gauges().read().refused, [("queue-full", 1)]);
}

#[tokio::test]
async fn a_full_server_refuses_too() {
    let mut gateway = TestGateway::with(|config| config.max_in_flight = 1);
    let mut first = gateway.connect().await;
    first.request("GET", "/f", "").await;
    let call = gateway.call().await;
    let mut second = gateway.connect().await;
    second.request("GET", "/f", "").await;
    let answer = second.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "server-busy"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    call.reply.answer(text("done"));
    assert_eq!(first.answer().await.text(), "done");
    gateway.settled().await;
    second.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(text("room again"));
    assert_eq!(second.answer().await.text(), "room again");
}

#[tokio::test]
async fn a_refusal_with_a_small_body_keeps_the_connection() {
    let gateway = TestGateway::refusing(Some(Refusal::ShuttingDown), |_| {});
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        client.request("POST", "/f", "content-length: 4\r\n").await;
        client.send("body").await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (503, None));
    }
}

#[tokio::test]
async fn a_request_that_finds_no_place_is_recorded_without_its_query() {
    let gateway = TestGateway::refusing(Some(Refusal::QueueFull { limit: 3 }), |_| {});
    let mut client = gateway.connect().await;
    client.request("GET", "/f?token=abc", "").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 429);
    let recorded = gateway.refused.lock().unwrap().clone();
    let (id, what) = &recorded[0];
    assert_eq!((recorded.len(), what.as_str()), (1, "GET /f queue-full"));
    assert_eq!(
        answer.header("x-jobber-invocation"),
        Some(id.to_string().as_str())
    );
}

#[tokio::test]
async fn who_waits_for_continue_is_refused_instead() {
    let gateway = TestGateway::with(|config| config.max_body_bytes = 10);
    let mut client = gateway.connect().await;
    client
        .request("PUT", "/f", "content-length: 11\r\nexpect: 100-continue\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "body-too-large"));
    assert_eq!(answer.header("connection"), Some("close"));
    client.ends().await;
    gateway.settled().await;
}

#[tokio::test]
async fn websockets_and_tunnels_are_refused() {
    let gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client
        .request(
            "GET",
            "/f",
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (501, "not-implemented"));
    client.ends().await;
    let mut client = gateway.connect().await;
    client.request("CONNECT", "example.org:443", "").await;
    assert_eq!(client.answer().await.code(), "not-implemented");
    client.ends().await;
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let gateway = TestGateway::with(|config| config.max_header_count = 20);
    let mut client = gateway.connect().await;
    client
        .request("GET", "/f", &format!("cookie: {}\r\n", "x".repeat(40_000)))
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (431, "headers-too-large")
    );
    let many: String = (0..30).map(|number| format!("x-{number}: 1\r\n")).collect();
    client.request("GET", "/f", &many).await;
    assert_eq!(client.answer().await.code(), "headers-too-large");
    let mut client = gateway.connect().await;
    client
        .send(format!(
            "GET /f HTTP/1.1\r\nhost: a\r\ncookie: {}",
            "x".repeat(140_000)
        ))
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (431, "headers-too-large"),
        "beyond what the parser holds"
    );
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let gateway = TestGateway::start();
    for rubbish in [
        "GET /f HTTP/1.1\r\n\r\n",
        "GET /f HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /f HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET f HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n",
        "POST /f HTTP/1.1\r\nhost: a\r\ncontent-length: -3\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        let mut client = gateway.connect().await;
        client.send(rubbish).await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "bad-request"),
            "{rubbish:?}"
        );
        assert!(answer.header("x-jobber-invocation").is_some());
    }
}
