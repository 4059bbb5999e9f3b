//! Messages of a real broker, on their way through the whole server to a function in Node.

use std::collections::BTreeSet;

use jobber_actors::manifest::{MqttVersion, QualityOfService};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::mqtt::{Receiver, publication, send};
use crate::support::{App, Broker, Package, answer, eventually};

const TRIGGERS: usize = 10;
const FILTERS: usize = 100;

/// Tells by a message which trigger got which topic.
const TELLER: &str = "export async function handler(request, response) {
  await response.publish('seen', `${request.name()} ${request.topic()}`);
}";

/// The filter of a trigger, and a topic that it alone matches.
fn filter_and_topic(trigger: usize, filter: usize) -> (String, String) {
    if filter.is_multiple_of(2) {
        (
            format!("site/+/{filter}/{trigger}"),
            format!("site/north/{filter}/{trigger}"),
        )
    } else {
        (
            format!("plant/{trigger}/{filter}/#"),
            format!("plant/{trigger}/{filter}/oven/door"),
        )
    }
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..TRIGGERS).flat_map(|trigger| (0..FILTERS).map(move |filter| (trigger, filter)))
}

fn package(broker: &Broker, version: MqttVersion) -> Package {
    let connection = json!({
        "host": "127.0.0.1",
        "port": broker.session(version, "").broker.port,
        "version": match version { MqttVersion::V311 => "3.1.1", MqttVersion::V5 => "5" },
    });
    let triggers = (0..TRIGGERS).map(|trigger| {
        let filters = (0..FILTERS).map(|filter| filter_and_topic(trigger, filter).0);
        json!({
            "type": "mqtt",
            "name": format!("trigger-{trigger}"),
            "topics": filters.collect::<Vec<_>>(),
            "connection": connection,
        })
    });
    Package::new("teller", "1")
        .with("triggers", triggers.collect::<Value>())
        .file("index.js", TELLER)
}

/// The trigger's status, when it is healthy.
async fn healthy(app: &App, trigger: usize) -> Value {
    let path = format!("/api/job/teller/triggers/trigger-{trigger}/status");
    eventually("a healthy trigger", async || {
        let status = app.get(&path).await;
        (status["status"] == "healthy").then_some(status)
    })
    .await
}

fn each_of_a_thousand_filters_leads_to_its_trigger(version: MqttVersion) {
    App::story(async |app| {
        let broker = Broker::start().await;
        let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
        receiver.subscribe(&["seen"], QualityOfService::AtLeastOnce).await;
        let (status, body) = app.publish(&package(&broker, version)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        for trigger in 0..TRIGGERS {
            let status = healthy(app, trigger).await;
            let connections = status["details"]["connections"].as_array().unwrap();
            assert_eq!(connections.len(), 1, "{status}");
        }

        let messages = pairs().map(|(trigger, filter)| {
            let topic = filter_and_topic(trigger, filter).1;
            publication(&topic, "", QualityOfService::AtLeastOnce)
        });
        send(broker.session(version, "sender"), messages.collect()).await;

        let seen = receiver.acknowledged(TRIGGERS * FILTERS).await;
        let told: BTreeSet<_> = seen
            .iter()
            .map(|message| String::from_utf8(message.payload.to_vec()).unwrap())
            .collect();
        let expected: BTreeSet<_> = pairs()
            .map(|(trigger, filter)| format!("trigger-{trigger} {}", filter_and_topic(trigger, filter).1))
            .collect();
        assert_eq!(seen.len(), expected.len(), "each came once");
        assert_eq!(told, expected);
        receiver.leave().await;
    });
}

#[test]
fn each_of_a_thousand_filters_leads_to_its_trigger_with_3_1_1() {
    each_of_a_thousand_filters_leads_to_its_trigger(MqttVersion::V311);
}

#[test]
fn each_of_a_thousand_filters_leads_to_its_trigger_with_5() {
    each_of_a_thousand_filters_leads_to_its_trigger(MqttVersion::V5);
}

#[test]
fn a_person_publishes_at_the_broker_of_a_trigger() {
    App::story(async |app| {
        let broker = Broker::start().await;
        let mut receiver = Receiver::connected(broker.session(MqttVersion::V5, "receiver")).await;
        receiver
            .subscribe(&["doors/#"], QualityOfService::ExactlyOnce)
            .await;
        let (status, body) = app.publish(&package(&broker, MqttVersion::V5)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        healthy(app, 0).await;
        let publish = |trigger: &str, message: Value| {
            let path = format!("/api/job/teller/triggers/{trigger}/publish");
            answer(app.request(Method::POST, &path).json(&message))
        };
        let message = json!({ "topic": "doors/7", "payloadBase64": "b3Blbg==", "qos": 2, "properties": { "contentType": "text/plain" } });
        let (status, body) = publish("trigger-0", message).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let seen = receiver.acknowledged(1).await;
        assert_eq!((&*seen[0].topic, &*seen[0].payload), ("doors/7", &b"open"[..]));
        assert_eq!(seen[0].properties.content_type.as_deref(), Some("text/plain"));

        for (message, pointer) in [
            (json!({ "topic": "doors/#" }), "/topic"),
            (json!({ "topic": "a", "qos": 3 }), "/qos"),
            (
                json!({ "topic": "a", "payload": "a", "payloadBase64": "YQ==" }),
                "/payloadBase64",
            ),
            (json!({ "topic": "a", "nosuch": 1 }), "/nosuch"),
        ] {
            let (status, body) = publish("trigger-0", message).await;
            assert_eq!(
                (status, &body["errors"][0]["pointer"]),
                (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
                "{body}"
            );
        }
        let disable = app
            .request(Method::PUT, "/api/job/teller")
            .json(&json!({ "status": "disabled" }));
        assert_eq!(answer(disable).await.0, StatusCode::OK);
        let (status, body) = publish("trigger-0", json!({ "topic": "a" })).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("no-broker")),
            "{body}"
        );
        let audit = app.get("/api/audit?limit=100").await;
        let published = audit.as_array().unwrap().iter();
        let mut published =
            published.filter(|entry| entry["action"] == "POST /api/job/{job}/triggers/{trigger}/publish");
        assert!(published.any(|entry| entry["after"]["topic"] == "doors/7" && entry["status"] == 200));
        receiver.leave().await;
    });
}
