//! Bodies stream, whatever their size.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::Body;
use serde_json::{Value, json};

use crate::support::{Options, Package, Server, eventually};

const MEBIBYTE: usize = 1024 * 1024;
const BODY_MEBIBYTES: usize = 100;
const MEMORY_BOUND: u64 = 32 * MEBIBYTE as u64;

const UP_AND_DOWN: &str = r#"
    export default {
        async fetch(request) {
            if (request.method === 'POST') {
                let bytes = 0;
                for await (const chunk of request.body) bytes += chunk.length;
                return Response.json({ bytes });
            }
            let left = 100;
            const chunk = new Uint8Array(1024 * 1024).fill(7);
            return new Response(new ReadableStream({
                pull(controller) {
                    if (left-- > 0) controller.enqueue(chunk);
                    else controller.close();
                },
            }));
        },
    };"#;

/// The most memory that the server has while something happens, above what it had before.
async fn growth_while<T>(server: &Server, what: impl Future<Output = T>) -> (T, u64) {
    let before = server.memory();
    let mut most = before;
    tokio::pin!(what);
    loop {
        tokio::select! {
            done = &mut what => return (done, most.max(server.memory()) - before),
            () = tokio::time::sleep(Duration::from_millis(10)) => most = most.max(server.memory()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_mebibytes_go_up_and_down_and_the_servers_memory_stays() {
    let mut server = Server::start(Options::default()).await;
    server
        .publish(&Package::new("streams", UP_AND_DOWN))
        .await
        .expect();
    let url = format!("{}/streams", server.gateway);

    let chunk = Bytes::from(vec![7_u8; MEBIBYTE]);
    let chunks =
        futures_util::stream::iter(std::iter::repeat_n(chunk, BODY_MEBIBYTES).map(Ok::<_, std::io::Error>));
    let upload = server.client.post(&url).body(Body::wrap_stream(chunks)).send();
    let (answer, grown) = growth_while(&server, upload).await;
    let answer: Value = answer.unwrap().json().await.unwrap();
    assert_eq!(answer["bytes"], BODY_MEBIBYTES * MEBIBYTE);
    assert!(grown < MEMORY_BOUND, "the upload cost {grown} bytes of memory");

    let download = async {
        let mut body = server.client.get(&url).send().await.unwrap().bytes_stream();
        let mut bytes = 0;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.unwrap();
            assert!(chunk.iter().all(|byte| *byte == 7));
            bytes += chunk.len();
        }
        bytes
    };
    let (bytes, grown) = growth_while(&server, download).await;
    assert_eq!(bytes, BODY_MEBIBYTES * MEBIBYTE);
    assert!(grown < MEMORY_BOUND, "the download cost {grown} bytes of memory");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_arrive_one_by_one() {
    let server = crate::support::shared().await;
    // Each event waits for the call that the one before it brought about: they can not have been collected.
    let module = r#"
        let next = () => {};
        export async function handler(request, response) {
            if (request.method() === 'POST') { next(); return response.text('go on'); }
            response.header('content-type', 'text/event-stream');
            for (let i = 0; i < 5; i++) {
                const asked = new Promise((resolve) => { next = resolve; });
                await response.write(`data: ${i}\n\n`);
                await asked;
            }
            await response.end();
        }"#;
    server.publish(&Package::new("events", module)).await.expect();
    let url = format!("{}/events", server.gateway);
    let mut events = server.client.get(&url).send().await.unwrap().bytes_stream();
    for expected in 0..5 {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(event, format!("data: {expected}\n\n"));
        server.client.post(&url).send().await.unwrap();
    }
    assert!(events.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_aborts_the_handler() {
    let server = crate::support::shared().await;
    let module = r#"
        let aborted = 0;
        export async function handler(request, response) {
            if (request.query('aborted')) return response.json({ aborted });
            console.log('at work');
            await new Promise((resolve) => request.signal.addEventListener('abort', resolve));
            aborted += 1;
        }"#;
    server.publish(&Package::new("left-alone", module)).await.expect();
    let call = server.client.get(format!("{}/left-alone", server.gateway)).send();
    tokio::select! {
        _ = call => panic!("it waits for its client to leave"),
        _ = server.log_line("left-alone", "at work") => {}
    }
    let aborted = || async {
        let answer: Value = server.get("/left-alone?aborted=1").await.json().await.unwrap();
        (answer == json!({ "aborted": 1 })).then_some(())
    };
    eventually("the handler's signal", Duration::from_secs(10), aborted).await;
}
