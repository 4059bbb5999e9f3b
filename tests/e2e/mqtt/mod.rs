//! Messages of a real broker, to functions in real containers.

mod connections;
mod failures;
mod loss;
mod publishing;

use serde_json::{Value, json};

use crate::support::{Broker, Package, shared};

/// A package with a trigger of this name for these topics.
fn listens(job: &str, module: &str, trigger: &str, topics: &[&str], connection: Value) -> Package {
    Package::new(job, module)
        .trigger(json!({ "type": "mqtt", "name": trigger, "topics": topics, "connection": connection }))
}

/// How a package reaches a broker.
fn connection(broker: &Broker) -> Value {
    json!({ "host": "127.0.0.1", "port": broker.port(), "version": "5" })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_a_job_is_disabled_waits_at_the_broker() {
    let (server, broker) = (shared().await, Broker::start().await);
    let module = "export const handler = (request, response) => response.publish('seen', request.text());";
    let package = listens("dozes", module, "messages", &["to/dozes"], connection(&broker));
    server.publish(&package).await.expect();
    server.until_trigger("dozes", "messages", "healthy", "").await;
    let client = broker.client().await;
    client.subscribe("seen").await;

    server.set_status("dozes", "disabled").await;
    server
        .until_trigger("dozes", "messages", "unknown", "not served")
        .await;
    for text in ["one", "two", "three"] {
        client.publish("to/dozes", text).await;
    }
    client.publish("seen", "nothing until now").await;
    server.set_status("dozes", "enabled").await;

    assert_eq!(
        client.texts(4).await,
        ["nothing until now", "one", "two", "three"]
    );
}
