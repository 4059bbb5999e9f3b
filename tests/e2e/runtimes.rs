//! A published function answers over HTTP, on every runtime.

use serde_json::json;

use crate::support::{Package, shared};

const VERSION: &str =
    "export const handler = (request, response) => response.json({ node: process.versions.node });";

async fn answers_on(major: u32) {
    let server = shared().await;
    let name = format!("on-node-{major}");
    let published = server
        .publish(&Package::new(&name, VERSION).node(&format!("{major}.x")))
        .await
        .expect();
    assert_eq!(published["success"], true, "{published:#}");
    let answer = server.get(&format!("/{name}")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-jobber-invocation"));
    let answer: serde_json::Value = answer.json().await.unwrap();
    let node = answer["node"].as_str().unwrap();
    assert!(node.starts_with(&format!("{major}.")), "it ran on {node}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_on_node_20() {
    answers_on(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_on_node_22() {
    answers_on(22).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_answers_on_node_24() {
    answers_on(24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_dialect_answers_with_cookies_parameters_and_the_query() {
    let server = shared().await;
    let module = r#"
        export default {
            async fetch(request, env) {
                const headers = new Headers({ 'content-type': 'application/json' });
                headers.append('set-cookie', 'a=1');
                headers.append('set-cookie', 'b=2');
                const url = new URL(request.url);
                const body = { method: request.method, query: url.searchParams.get('Q'), text: await request.text() };
                return new Response(JSON.stringify(body), { status: 201, headers });
            },
        };"#;
    server
        .publish(&Package::new("web-dialect", module))
        .await
        .expect();
    let url = format!("{}/web-dialect?Q=mixed", server.gateway);
    let answer = server.client.post(url).body("hello").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let cookies: Vec<_> = answer.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(
        body,
        json!({ "method": "POST", "query": "mixed", "text": "hello" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_what_a_function_puts_there_over_its_runners() {
    let server = shared().await;
    let module = r#"
        export async function handler(request, response, context) {
            const count = await context.increment('count', 1);
            await context.setStoreJson('last', { count });
            response.json({ count, last: await context.getStoreJson('last') });
        }"#;
    let package =
        Package::new("keeps-count", module).action(json!({ "runnerMode": "run-once", "runnerMaxCount": 2 }));
    server.publish(&package).await.expect();
    for expected in 1..=3 {
        let answer: serde_json::Value = server.get("/keeps-count").await.json().await.unwrap();
        assert_eq!(answer["count"], expected, "{answer:#}");
    }
}
