//! Functions that misbehave hurt nobody but themselves.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Package, containers_of, eventually, kill_container, shared};

const OK: &str = "export const handler = (request, response) => response.text('ok');";

async fn problem(response: reqwest::Response) -> Value {
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/problem+json"), "{kind}");
    response.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_while_it_works_is_a_502_and_the_next_call_is_served() {
    let server = shared().await;
    let module = r#"
        export async function handler(request, response) {
            if (request.query('wait')) { console.log('waiting now'); await new Promise(() => {}); }
            response.text('served');
        }"#;
    server.publish(&Package::new("killed", module)).await.expect();
    let waiting = server
        .client
        .get(format!("{}/killed?wait=1", server.gateway))
        .send();
    let killed = async {
        server.log_line("killed", "waiting now").await;
        let runner = server.ready_runners("killed").await.remove(0);
        let containers = containers_of("jobber.runner", &runner).await;
        kill_container(&containers[0]).await;
    };
    let (answer, ()) = tokio::join!(waiting, killed);
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(problem(answer).await["code"], "runner-lost");
    assert_eq!(server.get("/killed").await.text().await.unwrap(), "served");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_throws_is_a_500_and_its_stack_is_in_the_log() {
    let server = shared().await;
    let module = "export function handler() { throw new RangeError('too far out'); }";
    server.publish(&Package::new("throws", module)).await.expect();
    let answer = server.get("/throws").await;
    assert_eq!(answer.status(), 500);
    assert_eq!(problem(answer).await["code"], "function-failed");
    let line = server.log_line("throws", "too far out").await;
    assert!(line["message"].as_str().unwrap().contains("index.js"), "{line:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_loops_for_ever_is_a_504_and_its_runner_is_replaced() {
    let server = shared().await;
    let module = r#"
        export function handler(request, response) {
            while (request.query('loop'));
            response.text('free');
        }"#;
    let package = Package::new("loops", module).action(json!({ "runnerTimeout": 1 }));
    server.publish(&package).await.expect();
    let before = server.ready_runners("loops").await;
    let answer = server.get("/loops?loop=1").await;
    assert_eq!(answer.status(), 504);
    assert_eq!(problem(answer).await["code"], "function-timeout");
    let replaced = || async {
        let now = server.ready_runners("loops").await;
        (!now.is_empty() && now != before).then_some(())
    };
    eventually("another runner", Duration::from_secs(20), replaced).await;
    assert_eq!(server.get("/loops").await.text().await.unwrap(), "free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_exits_is_a_502_and_the_next_call_is_served() {
    let server = shared().await;
    let module = r#"
        export function handler(request, response) {
            if (request.query('exit')) process.exit(3);
            response.text('still here');
        }"#;
    server.publish(&Package::new("exits", module)).await.expect();
    let answer = server.get("/exits?exit=1").await;
    assert_eq!(answer.status(), 502);
    assert_eq!(problem(answer).await["code"], "runner-lost");
    assert_eq!(server.get("/exits").await.text().await.unwrap(), "still here");
    server.log_line("exits", "exited with code 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_exhausts_its_memory_is_a_502_that_says_so() {
    let server = shared().await;
    let module = r#"
        const kept = [];
        export function handler(request, response) {
            if (request.query('eat')) for (;;) kept.push(Buffer.alloc(8 * 1024 * 1024, 1));
            response.text('fed');
        }"#;
    let package = Package::new("eats", module).action(json!({ "memory": "128m" }));
    server.publish(&package).await.expect();
    let answer = server.get("/eats?eat=1").await;
    assert_eq!(answer.status(), 502);
    let problem = problem(answer).await;
    assert!(
        problem["detail"].as_str().unwrap().contains("memory"),
        "{problem:#}"
    );
    assert_eq!(server.get("/eats").await.text().await.unwrap(), "fed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_is_cut_with_a_note_and_the_answer_comes() {
    let server = shared().await;
    let module = r#"
        export function handler(request, response) {
            const line = 'x'.repeat(1000);
            for (let i = 0; i < 60_000; i++) console.log(line);
            response.text('wet');
        }"#;
    server.publish(&Package::new("floods", module)).await.expect();
    let answer = server.get("/floods").await;
    assert_eq!(answer.text().await.unwrap(), "wet");
    server.log_line("floods", "dropped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_answers_twice_is_heard_once() {
    let server = shared().await;
    let module = r#"
        export function handler(request, response) {
            response.text('first');
            response.text('second');
        }"#;
    server
        .publish(&Package::new("answers-twice", module))
        .await
        .expect();
    assert_eq!(server.get("/answers-twice").await.text().await.unwrap(), "second");
    let module = r#"
        export async function handler(request, response) {
            await response.write('first');
            response.text('second');
        }"#;
    server
        .publish(&Package::new("answers-late", module))
        .await
        .expect();
    let cut_short = match server
        .client
        .get(format!("{}/answers-late", server.gateway))
        .send()
        .await
    {
        Ok(answer) => answer.text().await.is_err(),
        Err(_) => true,
    };
    assert!(
        cut_short,
        "the answer that had begun is cut short, not mixed with a second one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_never_answers_is_a_504_and_others_go_on_meanwhile() {
    let server = shared().await;
    let module = r#"
        export function handler(request, response) {
            if (request.query('never')) return new Promise((resolve) => request.signal.addEventListener('abort', resolve));
            response.text('answered');
        }"#;
    let package = Package::new("never-answers", module).action(json!({ "runnerTimeout": 1 }));
    server.publish(&package).await.expect();
    let before = server.ready_runners("never-answers").await;
    let (never, other) = tokio::join!(server.get("/never-answers?never=1"), server.get("/never-answers"));
    assert_eq!(never.status(), 504);
    assert_eq!(other.text().await.unwrap(), "answered");
    assert_eq!(
        server.ready_runners("never-answers").await,
        before,
        "it let go, so its runner stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_imported_is_refused_with_its_stack_and_the_old_one_serves_on() {
    let server = shared().await;
    let package = Package::new("breaks", OK);
    server.publish(&package).await.expect();
    let broken = package.version("2.0.0").module("throw new Error('no config');");
    let refused = server.publish(&broken).await;
    assert_eq!(refused.status, 422, "{:#}", refused.body);
    assert!(
        refused.body.to_string().contains("no config"),
        "{:#}",
        refused.body
    );
    assert!(
        refused.body.to_string().contains("index.js"),
        "the stack is there: {:#}",
        refused.body
    );
    assert_eq!(server.get("/breaks").await.text().await.unwrap(), "ok");

    let forced = server.publish_with(&broken, "?force=true").await;
    assert!(forced.status.is_success(), "{:#}", forced.body);
    let answer = server.get("/breaks").await;
    assert_eq!(answer.status(), 500);
    assert_eq!(problem(answer).await["code"], "load-failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_and_no_method_are_told_apart() {
    let server = shared().await;
    server.publish(&Package::new("routed", OK)).await.expect();
    let answer = server.get("/nobody-has-this").await;
    assert_eq!(answer.status(), 404);
    assert_eq!(problem(answer).await["code"], "no-route");
}
