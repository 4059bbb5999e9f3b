//! Handlers that fail.

use reqwest::Method;
use rumqttc_v5::PublishProperties;
use serde_json::json;

use super::{connection, listens};
use crate::support::{Broker, shared};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_handler_throws_is_kept_until_a_person_decides() {
    let (server, broker) = (shared().await, Broker::start().await);
    let broken = "export function handler() { throw new RangeError('no such meter'); }";
    let repaired =
        "export const handler = (request, response) => response.publish('booked', request.text());";
    let package = listens("books", broken, "meters", &["meter/+"], connection(&broker));
    server.publish(&package).await.expect();
    server.until_trigger("books", "meters", "healthy", "").await;
    let client = broker.client().await;
    client.subscribe("booked").await;

    let properties = PublishProperties {
        content_type: Some("text/plain".to_owned()),
        user_properties: vec![("unit".to_owned(), "kWh".to_owned())],
        ..PublishProperties::default()
    };
    client.publish_with("meter/1", "17.5", properties).await;
    let first = server.dead_letters("books", 1).await.remove(0);
    client.publish("meter/2", "rubbish").await;
    let second = server.dead_letters("books", 2).await.remove(0);

    let path = |letter: &serde_json::Value| {
        format!("/api/job/books/dead-letters/{}", letter["id"].as_str().unwrap())
    };
    let letter = server.api(&path(&first)).await["data"].clone();
    for (field, expected) in [
        ("text", json!("17.5")),
        ("topic", json!("meter/1")),
        ("type", json!("mqtt")),
        ("triggerName", json!("meters")),
        ("tries", json!({ "failed": 1, "lost": 0 })),
    ] {
        assert_eq!(letter[field], expected, "{letter:#}");
    }
    assert_eq!(letter["properties"]["contentType"], "text/plain", "{letter:#}");
    let properties = letter["properties"]["userProperties"].to_string();
    assert!(
        properties.contains("unit") && properties.contains("kWh"),
        "{letter:#}"
    );
    let failure = &letter["failure"];
    assert_eq!(failure["reason"], "function-failed", "{letter:#}");
    assert!(
        failure["message"].as_str().unwrap().contains("no such meter"),
        "{letter:#}"
    );
    assert!(
        failure["error"].to_string().contains("index.js"),
        "the stack: {letter:#}"
    );

    let package = package.version("2.0.0").module(repaired);
    server.publish(&package).await.expect();
    server.ask(Method::DELETE, &path(&second), None).await;
    server
        .ask(Method::POST, &format!("{}/redrive", path(&first)), None)
        .await;
    assert_eq!(client.texts(1).await, ["17.5"]);
    server.dead_letters("books", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_is_tried_again_and_holds_no_other_up() {
    let (server, broker) = (shared().await, Broker::start().await);
    let module = r#"
        export async function handler(request, response) {
            await response.publish('seen', `${request.text()} ${request.attempt()}`);
            if (request.text() === 'flaky' && request.attempt() < 3) throw new Error('not yet');
        }"#;
    let package = listens(
        "insists",
        module,
        "messages",
        &["to/insists"],
        connection(&broker),
    )
    .action(json!({ "retries": { "max": 5, "backoff": 1 } }));
    server.publish(&package).await.expect();
    server.until_trigger("insists", "messages", "healthy", "").await;
    let client = broker.client().await;
    client.subscribe("seen").await;

    client.publish("to/insists", "flaky").await;
    client.publish("to/insists", "other").await;

    let mut seen = client.texts(4).await;
    assert_eq!(
        seen.pop().unwrap(),
        "flaky 3",
        "the other one did not wait for it: {seen:?}"
    );
    seen.retain(|text| text != "other 1");
    assert_eq!(seen, ["flaky 1", "flaky 2"]);
    server.dead_letters("insists", 0).await;
}
