//! Messages of a real broker, on their way through the whole server to a function in Node.

use std::collections::BTreeSet;

use jobber_actors::manifest::{MqttVersion, QualityOfService};
use jobber_actors::ports::MqttMessage;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::mqtt::{Receiver, Seen, publication, send};
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

/// Says what it was sent, and that it was called, to whoever listens to `seen`.
const SAYER: &str = "export async function handler(request, response, context) {
  await context.publish('seen', request.type() === 'mqtt' ? request.text() : 'called');
}";

/// Says when it begins and when it is done.
const SLOW_SAYER: &str = "export async function handler(request, response, context) {
  await context.publish('seen', 'begun');
  await new Promise((resolve) => setTimeout(resolve, 500));
  await context.publish('seen', 'done');
}";

/// What was seen by then, each text once.
fn texts(seen: &Seen) -> BTreeSet<String> {
    let text = |message: &MqttMessage| String::from_utf8(message.payload.to_vec()).unwrap();
    seen.messages.iter().map(text).collect()
}

#[test]
fn of_two_servers_on_one_database_one_has_the_connection_and_the_other_takes_over() {
    App::story(async |first| {
        let broker = Broker::start().await;
        let session = |client_id| broker.session(MqttVersion::V5, client_id);
        let mut receiver = sayer(
            first,
            &broker,
            &json!({ "type": "http", "path": "/sayer" }),
            SAYER,
        )
        .await;
        let second = first.beside().await;
        standing(&second, "another server has the connection").await;

        let say = |texts: std::ops::Range<usize>| {
            let messages =
                texts.map(|text| publication("say", text.to_string(), QualityOfService::AtLeastOnce));
            send(session("sender"), messages.collect())
        };
        say(0..100).await;
        let seen = receiver
            .until("what the first server was sent", |seen| texts(seen).len() == 100)
            .await;
        assert_eq!(seen.messages.len(), 100, "each came once");
        drop(seen);
        // Both publish, each over a connection of its own.
        for server in [first, &second] {
            assert_eq!(server.call("/sayer").await.0, StatusCode::OK);
        }
        standing(first, "connected").await;
        let called = |seen: &Seen| seen.messages.len() == 102;
        drop(receiver.until("two calls", called).await);

        tokio::join!(say(100..1_100), first.shut_down());
        standing(&second, "connected").await;
        say(1_100..1_200).await;
        let all = |seen: &Seen| texts(seen).len() == 1_201;
        drop(receiver.until("everything that was sent", all).await);
        let dead = second.parts("/api/job/sayer/dead-letters").await;
        assert!(dead.is_empty(), "a handler failed: {dead:?}");
        receiver.leave().await;
        second.stop().await;
    });
}

/// Publishes a package with this trigger besides that of its messages. Gives who listens to what it says.
async fn sayer(app: &App, broker: &Broker, trigger: &Value, module: &str) -> Receiver {
    let session = |client_id| broker.session(MqttVersion::V5, client_id);
    let mut receiver = Receiver::connected(session("receiver")).await;
    receiver.subscribe(&["seen"], QualityOfService::AtMostOnce).await;
    let connection = json!({ "host": "127.0.0.1", "port": session("").broker.port });
    let messages = json!({ "type": "mqtt", "name": "messages", "topics": ["say"], "connection": connection });
    let package = Package::new("sayer", "1")
        .with("triggers", json!([trigger, messages]))
        .file("index.js", module);
    let (status, body) = app.publish(&package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    standing(app, "connected").await;
    receiver
}

/// Waits until the status of the trigger says so.
async fn standing(app: &App, wanted: &str) {
    eventually(wanted, async || {
        let status = app.get("/api/job/sayer/triggers/messages/status").await;
        let message = status["message"].as_str().unwrap();
        (status["status"] == "healthy" && message.contains(wanted)).then_some(())
    })
    .await;
}

#[test]
fn what_runs_when_the_server_stops_may_still_publish() {
    App::story(async |app| {
        let broker = Broker::start().await;
        let nightly = json!({ "type": "schedule", "name": "nightly", "cron": "0 3 * * *" });
        let mut receiver = sayer(app, &broker, &nightly, SLOW_SAYER).await;
        let run = app.ask(Method::POST, "/api/job/sayer/triggers/nightly/run").await;
        assert!(run.0.is_success(), "{run:?}");
        app.hint_deliveries();
        drop(
            receiver
                .until("a beginning", |seen| texts(seen).contains("begun"))
                .await,
        );
        app.shut_down().await;
        drop(
            receiver
                .until("an end", |seen| texts(seen).contains("done"))
                .await,
        );
        receiver.leave().await;
    });
}
