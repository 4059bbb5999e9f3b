//! What `jobber init` makes can be published as it is, and does what it says. (The template `http` has its story elsewhere.)

use crate::support::{Broker, Tool, eventually, shared};
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn the_template_mqtt_answers_messages() {
    let (server, broker) = (shared().await, Broker::start().await);
    let tool = Tool::of(server);
    tool.run(&["init", "made-mqtt", "-t", "mqtt"]).await.expect();
    tool.run(&["publish", "made-mqtt"]).await.expect();
    let port = format!("MQTT_PORT={}", broker.port());
    tool.run(&["env", "set", "made-mqtt", "MQTT_HOST=127.0.0.1", &port])
        .await
        .expect();
    server
        .until_trigger("made-mqtt", "messages", "healthy", "connected")
        .await;

    let client = broker.client().await;
    client.subscribe("made-mqtt/out/#").await;
    client.publish("made-mqtt/in/kitchen", "21.5").await;
    assert_eq!(client.texts(1).await, ["21.5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_schedule_runs_when_it_is_asked_to() {
    let tool = Tool::of(shared().await);
    tool.run(&["init", "folder", "-t", "schedule", "--name", "@made/schedule"])
        .await
        .expect();
    let told = tool.run(&["publish", "folder"]).await.expect();
    assert!(told.contains("schedule every-minute"), "{told}");
    let run = tool
        .run(&["invoke", "@made/schedule", "--schedule", "every-minute", "--json"])
        .await
        .json();
    assert_eq!(
        (&run["type"], &run["status"]),
        (&"schedule".into(), &"succeeded".into())
    );
    eventually("it has said so", BOUND, || async {
        tool.run(&["logs", "@made/schedule"])
            .await
            .expect()
            .contains("ran for ")
            .then_some(())
    })
    .await;
    tool.run(&["jobs", "disable", "@made/schedule"]).await.expect();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_hono_is_built_and_answers() {
    let tool = Tool::of(shared().await);
    tool.run(&["init", "made-hono", "-t", "hono"]).await.expect();
    tool.install("made-hono").await;
    let told = tool.run(&["publish", "made-hono"]).await;
    assert!(
        told.error.contains("npm run build") && told.error.contains("packed 2 files"),
        "{}",
        told.error
    );
    told.expect();
    assert_eq!(
        tool.run(&["invoke", "made-hono"]).await.expect(),
        r#"{"hello":"world"}"#
    );
    let called = tool
        .run(&["invoke", "made-hono", "/made-hono/you?x=1"])
        .await
        .expect();
    assert_eq!(called, r#"{"hello":"you"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_typescript_is_built_and_answers() {
    let tool = Tool::of(shared().await);
    tool.run(&["init", "made-typescript", "-t", "typescript"])
        .await
        .expect();
    tool.install("made-typescript").await;
    tool.run(&["publish", "made-typescript"]).await.expect();
    let called = tool
        .run(&["invoke", "made-typescript", "/made-typescript/you"])
        .await
        .expect();
    assert_eq!(called, r#"{"hello":"you","visits":1}"#);
    // What does not fit the types is told by the build, and not sent.
    tool.edit("made-typescript/src/index.ts", "hello: name", "hello: 1");
    tool.run(&["publish", "made-typescript"])
        .await
        .refused(1, &["TS2322", "the build script failed"]);
}
