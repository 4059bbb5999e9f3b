//! Functions answer and publish.

use bytes::Bytes;
use reqwest::Method;
use rumqttc_v5::PublishProperties;
use serde_json::{Value, json};

use super::{connection, listens};
use crate::support::{Broker, shared};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_handler_with_its_properties_and_what_is_returned_comes_back() {
    let (server, broker) = (shared().await, Broker::start().await);
    let module = r#"
        export function handler(request) {
            const { correlationData, ...properties } = request.properties();
            const about = { type: request.type(), name: request.name(), topic: request.topic(), qos: request.qos() };
            return { ...about, payload: request.json(), properties, correlation: correlationData.toString() };
        }"#;
    let package = listens(
        "answers",
        module,
        "questions",
        &["questions/+"],
        connection(&broker),
    );
    server.publish(&package).await.expect();
    server.until_trigger("answers", "questions", "healthy", "").await;
    let client = broker.client().await;
    client.subscribe("answers/to/me").await;

    let request = PublishProperties {
        response_topic: Some("answers/to/me".to_owned()),
        correlation_data: Some(Bytes::from_static(b"number 7")),
        content_type: Some("application/json".to_owned()),
        user_properties: [("unit", "celsius"), ("room", "1"), ("room", "2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..PublishProperties::default()
    };
    client
        .publish_with("questions/warm", r#"{"at":"noon"}"#, request)
        .await;

    let answer = client.next().await;
    let properties = answer.properties.unwrap();
    assert_eq!(properties.correlation_data.unwrap(), "number 7");
    assert_eq!(properties.content_type.unwrap(), "application/json");
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert_eq!(
        answer,
        json!({
            "type": "mqtt", "name": "questions", "topic": "questions/warm", "qos": 1, "payload": { "at": "noon" },
            "properties": {
                "responseTopic": "answers/to/me", "contentType": "application/json",
                "userProperties": { "unit": "celsius", "room": ["1", "2"] },
            },
            "correlation": "number 7",
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_invocation_publishes_and_the_order_is_kept() {
    const COUNT: usize = 200;
    let (server, broker) = (shared().await, Broker::start().await);
    let module = r#"
        export async function handler(request, response, context) {
            const publisher = request.type() === 'mqtt' ? response : context;
            const numbers = Array.from({ length: 200 }, (_, number) => number);
            // Without waiting in between.
            await Promise.all(numbers.map((number) => publisher.publish(`from/${request.type()}`, number)));
            if (request.type() === 'http') response.json({ acknowledged: numbers.length });
        }"#;
    let package = listens("publishes", module, "message", &["go"], connection(&broker))
        .trigger(json!({ "type": "schedule", "name": "yearly", "cron": "@yearly" }));
    server.publish(&package).await.expect();
    server.until_trigger("publishes", "message", "healthy", "").await;
    let client = broker.client().await;
    client.subscribe("from/+").await;
    let numbers: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();

    let answer: Value = server.get("/publishes").await.json().await.unwrap();
    assert_eq!(answer, json!({ "acknowledged": COUNT }));
    assert_eq!(client.texts(COUNT).await, numbers, "from the HTTP request");

    server
        .ask(Method::POST, "/api/job/publishes/triggers/yearly/run", None)
        .await;
    assert_eq!(client.texts(COUNT).await, numbers, "from the schedule");

    client.publish("go", "").await;
    assert_eq!(client.texts(COUNT).await, numbers, "from the message");
}
