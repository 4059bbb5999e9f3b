//! Bodies of requests.

use std::time::Duration;

use jobber_actors::invocation::{BodyError, InputBody};

use super::{PATIENCE, TestGateway, eventually, http, read_all, text};

#[tokio::test]
async fn a_small_body_comes_whole() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("POST", "/f", "content-length: 10\r\n").await;
    client.send("first").await;
    client.send("later").await;
    let call = gateway.call().await;
    assert!(matches!(&call.body, InputBody::Whole(bytes) if bytes == "firstlater"));
}

#[tokio::test]
async fn a_large_body_is_streamed_at_the_functions_pace() {
    let mut gateway = TestGateway::with(|config| config.body_buffer_bytes = 16 * 1024);
    let mut client = gateway.connect().await;
    let total = 2 * 1024 * 1024;
    client
        .request("POST", "/f", &format!("content-length: {total}\r\n"))
        .await;
    let mut call = gateway.call().await;
    assert_eq!(http(&call).size, Some(total));
    let body = vec![b'x'; total as usize];
    let (_, received) = tokio::join!(client.send(&body), read_all(&mut call.body));
    assert_eq!(received.len() as u64, total);
    call.reply.answer(text("got it"));
    let answer = client.answer().await;
    assert_eq!(
        (answer.text(), answer.header("connection")),
        ("got it", None),
        "the connection goes on"
    );
}

#[tokio::test]
async fn a_chunked_body_may_have_trailers() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client
        .request("POST", "/f", "transfer-encoding: chunked\r\ntrailer: x-sum\r\n")
        .await;
    client.send("5\r\nfirst\r\n").await;
    let mut call = gateway.call().await;
    assert_eq!(http(&call).size, None);
    client.send("6;note=1\r\nsecond\r\n0\r\nx-sum: 1\r\n\r\n").await;
    assert_eq!(read_all(&mut call.body).await, "firstsecond");
    call.reply.answer(text("got it"));
    assert_eq!(client.answer().await.text(), "got it");
    client.request("GET", "/f", "").await;
    gateway.call().await.reply.answer(text("in step"));
    assert_eq!(client.answer().await.text(), "in step");
}

#[tokio::test]
async fn answer_and_body_may_flow_at_the_same_time() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client
        .request("POST", "/f", "transfer-encoding: chunked\r\n")
        .await;
    let call = gateway.call().await;
    let InputBody::Stream(receiver) = call.body else {
        panic!("its length is unknown")
    };
    call.reply.answer(super::responded(
        200,
        &[],
        jobber_actors::invocation::OutputBody::Stream(receiver),
    ));
    client.head().await;
    for word in ["echo", "this", "back"] {
        client.send(format!("4\r\n{word}\r\n")).await;
        assert_eq!(client.chunk().await.as_deref(), Some(word.as_bytes()));
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, None);
    gateway.settled().await;
}

#[tokio::test]
async fn a_client_is_told_to_continue_once_there_is_a_place() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client
        .request("PUT", "/f", "content-length: 4\r\nexpect: 100-continue\r\n")
        .await;
    assert_eq!(client.head().await.status, 100);
    client.send("body").await;
    let mut call = gateway.call().await;
    assert_eq!(read_all(&mut call.body).await, "body");
    assert!(super::header(http(&call), "expect").is_empty());
    call.reply.answer(text("got it"));
    assert_eq!(client.answer().await.text(), "got it");
    assert_eq!(gateway.gateway.gauges().read().requests, 1);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let gateway = TestGateway::with(|config| config.max_body_bytes = 1000);
    let mut client = gateway.connect().await;
    client.request("POST", "/f", "content-length: 1001\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "body-too-large"));
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_cut() {
    let mut gateway = TestGateway::with(|config| config.max_body_bytes = 1000);
    let mut client = gateway.connect().await;
    client
        .request("POST", "/f", "transfer-encoding: chunked\r\n")
        .await;
    let call = gateway.call().await;
    let InputBody::Stream(mut receiver) = call.body else {
        panic!("its length is unknown")
    };
    client.send(format!("3e9\r\n{}\r\n", "x".repeat(1001))).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "body-too-large"));
    let mut last = None;
    while let Some(chunk) = receiver.next().await {
        last = Some(chunk);
    }
    assert!(
        matches!(last, Some(Err(BodyError::CutShort(_)))),
        "the function does not take it for the whole"
    );
    assert!(call.reply.cancellation().is_cancelled());
    client.ends().await;
}

#[tokio::test]
async fn a_client_that_dawdles_is_given_up() {
    let mut gateway = TestGateway::with(|config| config.body_timeout = Duration::from_millis(50));
    let mut client = gateway.connect().await;
    client.request("POST", "/f", "content-length: 10\r\n").await;
    client.send("half").await;
    assert_eq!(client.answer().await.code(), "request-timeout");
    let mut client = gateway.connect().await;
    client
        .request("POST", "/f", "transfer-encoding: chunked\r\n")
        .await;
    client.send("4\r\nhalf\r\n").await;
    let call = gateway.call().await;
    let InputBody::Stream(mut receiver) = call.body else {
        panic!("its length is unknown")
    };
    assert!(receiver.next().await.expect("half").is_ok());
    assert_eq!(client.answer().await.code(), "request-timeout");
    assert!(call.reply.cancellation().is_cancelled());
    gateway.settled().await;
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("POST", "/f", "content-length: 50000000\r\n").await;
    let call = gateway.call().await;
    call.reply.answer(text("enough"));
    drop(call.body);
    let block = vec![b'x'; 64 * 1024];
    for _ in 0..20 {
        client.send(&block).await;
    }
    let answer = client.answer().await;
    assert_eq!(
        (answer.text(), answer.header("connection")),
        ("enough", Some("close"))
    );
    gateway.settled().await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_invocation() {
    let mut gateway = TestGateway::start();
    let mut client = gateway.connect().await;
    client.request("GET", "/f", "").await;
    let waiting = gateway.call().await;
    drop(client);
    eventually(|| waiting.reply.cancellation().is_cancelled()).await;

    let mut client = gateway.connect().await;
    client.request("POST", "/f", "content-length: 1000000\r\n").await;
    client.send("the beginning").await;
    let call = gateway.call().await;
    let InputBody::Stream(mut receiver) = call.body else {
        panic!("it is long")
    };
    assert!(receiver.next().await.expect("the beginning").is_ok());
    drop(client);
    let end = tokio::time::timeout(PATIENCE, receiver.next())
        .await
        .expect("is told");
    assert!(matches!(end, Some(Err(BodyError::CutShort(_)))));
    eventually(|| call.reply.cancellation().is_cancelled()).await;
    gateway.settled().await;
}
