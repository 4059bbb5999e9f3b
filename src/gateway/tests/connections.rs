//! The life of connections.

use std::time::Duration;

use bytes::Bytes;
use jobber_actors::invocation::{OutputBody, body_channel};

use super::{PATIENCE, TestGateway, http, responded, text};

const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        client.request("GET", "/f", "").await;
        gateway.call().await.reply.answer(text("ok"));
        assert_eq!(client.answer().await.text(), "ok");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_each_as_itself() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    let host = "HTTP/1.1\r\nhost: a\r\n";
    client
        .send(format!(
            "GET /f/1 {host}\r\nHEAD /f/2 {host}\r\nPOST /f/3 {host}content-length: 4\r\n\r\nbodyGET /f/4 {host}connection: close\r\n\r\n"
        ))
        .await;
    for (number, method) in [(1, "GET"), (2, "HEAD"), (3, "POST"), (4, "GET")] {
        let call = gateway.call().await;
        assert_eq!(
            (http(&call).method.as_str(), http(&call).target.as_str()),
            (method, &*format!("/f/{number}"))
        );
        assert!(gateway.calls.try_recv().is_err(), "one at a time");
        call.reply.answer(text("answer"));
        let answer = if method == "HEAD" {
            client.head().await
        } else {
            client.answer().await
        };
        assert_eq!(answer.body.is_empty(), method == "HEAD");
        assert_eq!(
            answer.header("connection"),
            (number == 4).then_some("close"),
            "{number}"
        );
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_ends_the_connection() {
    let gateway = TestGateway::with(|config| config.head_timeout = SOON);
    let mut slow = gateway.connect().await;
    slow.send("GET /f HTTP/1.1\r\nhost:").await;
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "request-timeout"));
    slow.ends().await;
}

#[tokio::test]
async fn nor_may_a_later_head_be_slow() {
    let mut gateway = TestGateway::with(|config| config.head_timeout = SOON);
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(text("ok"));
    client.answer().await;
    client.send("GET /f HTTP/1.1\r\nhost:").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed() {
    let mut gateway = TestGateway::with(|config| config.keep_alive = SOON);
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(text("ok"));
    client.answer().await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_long_invocation_is_not_an_idle_connection() {
    let mut gateway = TestGateway::with(|config| {
        config.keep_alive = SOON;
        config.head_timeout = SOON;
    });
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let call = gateway.call().await;
    tokio::time::sleep(4 * SOON).await;
    call.reply.answer(text("worth waiting for"));
    assert_eq!(client.answer().await.text(), "worth waiting for");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_given_up() {
    let mut gateway = TestGateway::with(|config| config.write_timeout = SOON);
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let (mut sender, receiver) = body_channel(64 * 1024);
    gateway
        .call()
        .await
        .reply
        .answer(responded(200, &[], OutputBody::Stream(receiver)));
    let block = Bytes::from(vec![b'x'; 64 * 1024]);
    let filling = async { while sender.send(block.clone()).await {} };
    tokio::time::timeout(PATIENCE, filling)
        .await
        .expect("the function is told that nobody reads");
    gateway.settled().await;
}

#[tokio::test]
async fn stopping_lets_requests_finish_and_closes_idle_connections() {
    let mut gateway = TestGateway::start();
    let mut idle = gateway.connect().await;
    idle.request("GET", "/healthz", "").await;
    idle.answer().await;
    let mut busy = gateway.connect().await;
    busy.request("GET", "/f", "").await;
    let call = gateway.call().await;
    gateway.stop.send(true).expect("the gateway listens");
    assert!(idle.is_closed().await);
    call.reply.answer(text("finished"));
    let answer = busy.answer().await;
    assert_eq!(
        (answer.text(), answer.header("connection")),
        ("finished", Some("close"))
    );
    gateway.stopped().await;
}

#[tokio::test]
async fn a_gateway_that_ended_serves_again_on_the_same_socket() {
    use jobber_actors::ports::HttpServer;

    let gateway = TestGateway::start();
    let server = std::sync::Arc::clone(&gateway.gateway);
    gateway.stopped().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let visit = async {
        let mut client = super::Client::connect(server.address()).await;
        client.request("GET", "/healthz", "").await;
        let status = client.answer().await.status;
        stop.send(true).expect("it listens");
        status
    };
    let (served, status) = tokio::join!(server.serve(stopped), visit);
    assert!(served.is_ok());
    assert_eq!(status, 200);
}

#[tokio::test]
async fn requests_may_come_in_any_pieces() {
    let mut gateway = TestGateway::start();
    let conversation = "GET /f/1 HTTP/1.1\r\nhost: a\r\n\r\n\
                        POST /f/2 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello\
                        \r\nPOST /f/3 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for cut in (1..conversation.len()).step_by(7) {
        let mut client = gateway.connect().await;
        let (first, second) = conversation.split_at(cut);
        client.send(first).await;
        let mut rest = Some(second);
        for number in 1..=3 {
            // The second piece comes while an invocation runs, or when the first was not enough for one.
            if let Ok(early) = tokio::time::timeout(Duration::from_millis(5), gateway.calls.recv()).await {
                let call = early.expect("the gateway lives");
                client.send(rest.take().unwrap_or_default()).await;
                finish(call, number).await;
            } else {
                client.send(rest.take().unwrap_or_default()).await;
                finish(gateway.call().await, number).await;
            }
            assert_eq!(
                client.answer().await.text(),
                "ok",
                "cut at {cut}, request {number}"
            );
        }
    }
}

async fn finish(mut call: jobber_actors::invocation::Invocation, number: usize) {
    assert_eq!(http(&call).target, format!("/f/{number}"));
    let body = super::read_all(&mut call.body).await;
    assert_eq!(body, if number == 1 { "" } else { "hello" });
    call.reply.answer(text("ok"));
}
