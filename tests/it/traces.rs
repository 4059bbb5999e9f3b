//! The way of a trace: from the client through the server into a function in Node.

use jobber_actors::manifest::{MqttVersion, QualityOfService};
use jobber_actors::ports::MessageProperties;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::mqtt::{Receiver, publication, send};
use crate::support::{App, Broker, Package, eventually};

const MODULE: &str = r"
    const seen = (request, context) => ({
        header: [request.header('traceparent'), request.header('tracestate')],
        context: [context.traceparent, context.tracestate],
    });
    export function handler(request, response, context) { response.json(seen(request, context)); }";

#[test]
fn a_function_continues_the_trace_of_its_caller_with_a_span_of_its_invocation() {
    App::story(async |app| {
        let package = Package::new("traced", "1.0.0").file("index.js", MODULE);
        let (status, body) = app.publish(&package).await;
        assert_eq!(status, 200, "{body}");
        let client = jobber::outgoing::without_tls().build().unwrap();
        let url = format!("{}/traced", app.gateway_url);
        let ask = async |headers: &[(&'static str, &str)]| -> Value {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let answer = client.get(&url).headers(map).send().await.unwrap();
            answer.json().await.unwrap()
        };

        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let theirs = format!("00-{trace}-00f067aa0ba902b7-01");
        let seen = ask(&[
            ("traceparent", &theirs),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ])
        .await;
        let ours = seen["context"][0].as_str().unwrap().to_owned();
        assert!(
            ours.starts_with(&format!("00-{trace}-")) && ours.ends_with("-01"),
            "{ours}"
        );
        assert_ne!(ours, theirs, "the function's parent is the invocation");
        assert_eq!(seen["context"], json!([ours, "a=1,b=2"]));
        assert_eq!(seen["header"], seen["context"]);

        let again = ask(&[("traceparent", &theirs)]).await;
        assert_ne!(again["context"][0], ours.as_str(), "each invocation has its own");

        let new = ask(&[("traceparent", &theirs.to_uppercase()), ("tracestate", "a=1")]).await;
        let begun = new["header"][0].as_str().unwrap();
        assert!(begun.len() == 55 && !begun.contains(trace), "{begun}");
        assert_eq!(new["header"][1], Value::Null);
    });
}

#[test]
fn a_function_continues_the_trace_of_a_message() {
    const MODULE: &str = "export async function handler(request, response, context) {
      await response.publish('seen', { traceparent: context.traceparent, tracestate: context.tracestate });
    }";
    App::story(async |app| {
        let broker = Broker::start().await;
        let version = MqttVersion::V5;
        let session = |client| broker.session(version, client);
        let mut receiver = Receiver::connected(session("receiver")).await;
        receiver.subscribe(&["seen"], QualityOfService::AtLeastOnce).await;
        let connection = json!({ "host": "127.0.0.1", "port": session("").broker.port, "version": "5" });
        let trigger =
            json!({ "type": "mqtt", "name": "orders", "topics": ["orders"], "connection": connection });
        let package = Package::new("traced", "1.0.0")
            .with("triggers", json!([trigger]))
            .file("index.js", MODULE);
        let (status, body) = app.publish(&package).await;
        assert_eq!(status, 200, "{body}");
        eventually("the trigger is healthy", async || {
            let status = app.get("/api/job/traced/triggers/orders/status").await;
            (status["status"] == "healthy").then_some(())
        })
        .await;

        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let theirs = format!("00-{trace}-00f067aa0ba902b7-01");
        let properties = MessageProperties {
            user_properties: [("traceparent", theirs.as_str()), ("tracestate", "a=1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..MessageProperties::default()
        };
        let mut message = publication("orders", "", QualityOfService::AtLeastOnce);
        message.properties = properties;
        send(session("sender"), vec![message]).await;

        let seen = receiver.acknowledged(1).await;
        let seen: Value = serde_json::from_slice(&seen[0].payload).unwrap();
        let ours = seen["traceparent"].as_str().unwrap();
        assert!(
            ours.starts_with(&format!("00-{trace}-")) && ours.ends_with("-01"),
            "{ours}"
        );
        assert_ne!(ours, theirs, "the function's parent is the invocation");
        assert_eq!(seen["tracestate"], "a=1");
        receiver.leave().await;
    });
}
