//! Ways to a broker.

use jobber::mosquitto::MosquittoSettings;
use rumqttc_v5::PublishProperties;
use serde_json::{Value, json};

use super::listens;
use crate::support::{Broker, MqttClient, Options, Package, Server, certify, shared};

/// Answers with the name of its trigger.
const NAMES: &str = "export const handler = (request) => request.name();";

/// Asks the function that listens on a topic which trigger it was.
async fn ask(client: &MqttClient, topic: &str) -> String {
    let request = PublishProperties {
        response_topic: Some("answers".to_owned()),
        ..PublishProperties::default()
    };
    client.publish_with(topic, "who?", request).await;
    client.texts(1).await.remove(0)
}

async fn asking(broker: &Broker) -> MqttClient {
    let client = broker.client().await;
    client.subscribe("answers").await;
    client
}

/// The only connection of a trigger's status.
fn connection(status: &Value) -> &Value {
    &status["details"]["connections"][0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_variable_moves_its_connection_and_no_other() {
    let (server, before, after) = (shared().await, Broker::start().await, Broker::start().await);
    let moves =
        json!({ "host": "127.0.0.1", "port": before.port(), "portVariable": "BROKER_PORT", "version": "5" });
    let stays = json!({ "host": "127.0.0.1", "port": before.port(), "version": "5", "username": "another" });
    let package = listens("moves", NAMES, "moving", &["to/moving"], moves)
        .trigger(json!({ "type": "mqtt", "name": "staying", "topics": ["to/staying"], "connection": stays }));
    server.publish(&package).await.expect();
    let address = |broker: &Broker| format!("127.0.0.1:{}: connected", broker.port());
    server
        .until_trigger("moves", "moving", "healthy", &address(&before))
        .await;
    let stayed = server
        .until_trigger("moves", "staying", "healthy", &address(&before))
        .await;
    assert_eq!(ask(&asking(&before).await, "to/moving").await, "moving");

    server
        .set_variable("moves", "BROKER_PORT", &after.port().to_string())
        .await;

    server
        .until_trigger("moves", "moving", "healthy", &address(&after))
        .await;
    assert_eq!(ask(&asking(&after).await, "to/moving").await, "moving");
    assert_eq!(ask(&asking(&before).await, "to/staying").await, "staying");
    let still = server.trigger_status("moves", "staying").await;
    assert_eq!(
        connection(&still)["since"],
        connection(&stayed)["since"],
        "it stayed connected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_the_right_one_helps() {
    let (server, broker) = (shared().await, Broker::with_user("meter", "secret").await);
    let settings = json!({
        "host": "127.0.0.1", "port": broker.port(), "username": "meter", "password": "wrong",
        "passwordVariable": "PASSWORD", "version": "5",
    });
    server
        .publish(&listens("locked-out", NAMES, "messages", &["to/it"], settings))
        .await
        .expect();
    server
        .until_trigger("locked-out", "messages", "unhealthy", "not authorised")
        .await;
    server.set_variable("locked-out", "PASSWORD", "secret").await;
    server
        .until_trigger("locked-out", "messages", "healthy", "")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_and_tls_with_an_authority_from_a_variable_carry_messages() {
    let server = shared().await;
    let authority = std::sync::Mutex::new(String::new());
    let broker = Broker::configured(|folder, websockets, tls| {
        *authority.lock().unwrap() = certify(folder);
        let file = |name: &str| folder.join(name).display().to_string();
        MosquittoSettings {
            lines: vec![
                format!("listener {websockets} 127.0.0.1"),
                "socket_domain ipv4".to_owned(),
                "protocol websockets".to_owned(),
                format!("listener {tls} 127.0.0.1"),
                format!("certfile {}", file("server.pem")),
                format!("keyfile {}", file("server.key")),
            ],
            ..MosquittoSettings::default()
        }
    })
    .await;
    let websockets =
        json!({ "protocol": "ws", "host": "127.0.0.1", "port": broker.second_port, "version": "5" });
    let tls = json!({
        "protocol": "mqtts", "host": "127.0.0.1", "port": broker.third_port, "version": "5", "caVariable": "CA",
    });
    let package = listens("reaches", NAMES, "websockets", &["to/websockets"], websockets)
        .trigger(json!({ "type": "mqtt", "name": "tls", "topics": ["to/tls"], "connection": tls }));
    server.publish(&package).await.expect();
    server
        .until_trigger("reaches", "tls", "unhealthy", "not trusted")
        .await;
    let authority = authority.into_inner().unwrap();
    server.set_variable("reaches", "CA", &authority).await;

    let client = asking(&broker).await;
    for trigger in ["websockets", "tls"] {
        server.until_trigger("reaches", trigger, "healthy", "").await;
        assert_eq!(ask(&client, &format!("to/{trigger}")).await, trigger);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_names_no_broker_is_lent_one() {
    let echo = "export const handler = (request, response) => \
        response.publish(request.topic().replace('request', 'response'), request.data());";
    let trigger = json!({
        "type": "mqtt", "name": "echo", "topics": ["echo/request/#"], "connection": { "version": "5" },
    });
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("package");
    Package::new("mqtt-echo", echo).trigger(trigger).write(&folder);
    let mut server = Server::start(Options {
        engine: "process",
        folders: vec![folder],
        ..Options::default()
    })
    .await;
    server.until_trigger("mqtt-echo", "echo", "healthy", "").await;
    let address = server.about()["mqtt"].as_str().unwrap().to_owned();
    let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let client = MqttClient::connect(port).await;
    client.subscribe("echo/response/#").await;
    client.publish("echo/request/kitchen", "21.5").await;
    let echo = client.next().await;
    assert_eq!(
        (&echo.topic[..], &echo.payload[..]),
        (&b"echo/response/kitchen"[..], &b"21.5"[..])
    );
    server.stop();
}
