//! There are as many runners as the package says and the load needs.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Package, Server, eventually, shared};

const SCALE_TIME: Duration = Duration::from_secs(30);

/// Answers with its process id, after a while.
const WHO: &str = r#"
    let calls = 0;
    let open = 0;
    export async function handler(request, response) {
        calls += 1;
        open += 1;
        const most = open;
        await new Promise((resolve) => setTimeout(resolve, Number(request.query('ms') ?? 0)));
        open -= 1;
        response.json({ host: process.env.HOSTNAME ?? String(process.pid), calls, open: most });
    }"#;

async fn call(server: &Server, path: &str) -> Value {
    let answer = server.get(path).await;
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_function_scales_to_zero_and_back() {
    let server = shared().await;
    let action = json!({ "runnerMinCount": 0, "runnerMaxIdleAge": 1 });
    server
        .publish(&Package::new("sleeps", WHO).action(action))
        .await
        .expect();
    let none = || async { server.ready_runners("sleeps").await.is_empty().then_some(()) };
    eventually("no runner", SCALE_TIME, none).await;
    assert_eq!(call(server, "/sleeps").await["calls"], 1, "a new runner answers");
    eventually("no runner again", SCALE_TIME, none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_not_asynchronous_does_one_thing_at_a_time_and_others_are_started() {
    let server = shared().await;
    let action = json!({ "runnerAsynchronous": false, "runnerMaxCount": 3 });
    server
        .publish(&Package::new("one-by-one", WHO).action(action))
        .await
        .expect();
    let answers = join_all((0..12).map(|_| call(server, "/one-by-one?ms=300"))).await;
    assert!(answers.iter().all(|answer| answer["open"] == 1), "{answers:?}");
    let runners = server.ready_runners("one-by-one").await.len();
    assert!((2..=3).contains(&runners), "{runners} runners");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_once_runner_is_fresh_every_time() {
    let server = shared().await;
    let action = json!({ "runnerMode": "run-once", "runnerMaxCount": 2 });
    server
        .publish(&Package::new("fresh", WHO).action(action))
        .await
        .expect();
    for _ in 0..3 {
        assert_eq!(call(server, "/fresh").await["calls"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_runner_is_replaced_without_a_gap() {
    let server = shared().await;
    let action = json!({ "runnerMaxAge": 2, "runnerMaxAgeHard": 30 });
    server
        .publish(&Package::new("ages", WHO).action(action))
        .await
        .expect();
    let first = server.ready_runners("ages").await;
    let replaced = || async {
        call(server, "/ages").await;
        let now = server.ready_runners("ages").await;
        now.iter().all(|runner| !first.contains(runner)).then_some(())
    };
    eventually("another runner", SCALE_TIME, replaced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_a_429_before_the_body_is_read() {
    let server = shared().await;
    let action =
        json!({ "runnerAsynchronous": false, "runnerMaxCount": 1, "queue": { "length": 1, "wait": 30 } });
    server
        .publish(&Package::new("crowded", WHO).action(action))
        .await
        .expect();
    let answers = join_all((0..6).map(|_| server.get("/crowded?ms=1000"))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status() == 429).collect();
    assert!(!refused.is_empty(), "six calls at once, and room for two");
    assert!(
        refused
            .iter()
            .all(|answer| answer.headers().contains_key("retry-after"))
    );
    assert!(answers.iter().any(|answer| answer.status() == 200));
}
