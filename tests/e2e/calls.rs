//! Asynchronous calls survive whatever ends between their acceptance and their result.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::RwLock;

use crate::support::{Options, Package, Server, containers_of, eventually, kill_container};

const CALLS: usize = 10_000;
/// So many are on their way to the server, or wait for their result, at once.
const AT_ONCE: usize = 64;
const BOUND: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(100);

const MODULE: &str = r"
    export async function handler(request, response) {
        await new Promise((done) => setTimeout(done, 5));
        response.json({ number: Number(request.text()), attempt: request.attempt() });
    }";

/// Where the gateway is now: a server that starts again has another address.
struct Gateway {
    url: RwLock<String>,
    client: Client,
    accepted: AtomicUsize,
}

impl Gateway {
    async fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url.read().await)
    }

    /// Sends a call until it is accepted. Gives its address. Whether a call was accepted whose answer was lost is not known: its key
    /// makes it the same call.
    async fn call(&self, number: usize) -> String {
        let until = Instant::now() + BOUND;
        loop {
            let request = self
                .client
                .post(self.url("/echo").await)
                .header("prefer", "respond-async")
                .header("idempotency-key", format!("call-{number}"))
                .body(number.to_string());
            match request.send().await {
                Ok(answer) if answer.status() == 202 => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    return answer.headers()["location"].to_str().unwrap().to_owned();
                }
                Ok(answer) if answer.status() == 422 => panic!("the key of {number} is another call's"),
                _ => assert!(
                    Instant::now() < until,
                    "{number} was not accepted within {BOUND:?}"
                ),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits for the result of a call.
    async fn result(&self, location: &str) -> Value {
        let until = Instant::now() + BOUND;
        loop {
            let url = self.url(&format!("{location}?wait=10s")).await;
            if let Ok(answer) = self.client.get(url).send().await
                && answer.status() == 200
            {
                let call: Value = answer.json().await.unwrap();
                match call["state"].as_str().unwrap() {
                    "queued" | "running" => {}
                    _ => return call,
                }
            }
            assert!(
                Instant::now() < until,
                "{location} has no result within {BOUND:?}"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until so many calls are accepted.
    async fn until_accepted(&self, count: usize) {
        eventually(&format!("{count} are accepted"), BOUND, || async {
            (self.accepted.load(Ordering::Relaxed) >= count).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_its_result_when_servers_and_runners_are_killed() {
    let mut server = Server::start(Options::default()).await;
    let package = Package::new("echo", MODULE).action(json!({ "runnerMinCount": 2, "runnerMaxCount": 2 }));
    server.publish(&package).await.expect();
    let gateway = Gateway {
        url: RwLock::new(server.gateway.clone()),
        client: jobber::outgoing::without_tls()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap(),
        accepted: AtomicUsize::new(0),
    };
    let began = Instant::now();

    let calling = stream::iter(0..CALLS)
        .map(|number| gateway.call(number))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>();
    let killing = async {
        gateway.until_accepted(CALLS / 4).await;
        server.kill();
        server = server.start_again(Options::default()).await;
        gateway.url.write().await.clone_from(&server.gateway);
        gateway.until_accepted(CALLS / 2).await;
        let runner = eventually("a runner", BOUND, || async {
            server.ready_runners("echo").await.first().cloned()
        });
        kill_container(&containers_of("jobber.runner", &runner.await).await[0]).await;
        gateway.until_accepted(CALLS * 3 / 4).await;
        server.kill();
        server = server.start_again(Options::default()).await;
        gateway.url.write().await.clone_from(&server.gateway);
    };
    let (locations, ()) = tokio::join!(calling, killing);
    let accepted = began.elapsed();
    let results = stream::iter(&locations)
        .map(|location| gateway.result(location))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;

    let mut repeated = 0;
    for (number, call) in results.iter().enumerate() {
        assert_eq!(call["state"], "succeeded", "{number}: {call}");
        let answer: Value = serde_json::from_str(call["result"]["body"].as_str().unwrap()).unwrap();
        assert_eq!(answer["number"], number, "{call}");
        repeated += usize::from(call["attempts"] != 1);
    }
    println!(
        "{CALLS} calls accepted in {accepted:?}, the last result after {:?}; {repeated} were tried more than once",
        began.elapsed()
    );
    server.dead_letters("echo", 0).await;
    server.stop();
}
