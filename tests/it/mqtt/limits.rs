//! Large messages.

use jobber_actors::manifest::MqttVersion;
use jobber_actors::ports::{MqttEnd, SessionSettings};

use super::{ONCE, V5, V311, texts};
use crate::support::Broker;
use crate::support::mqtt::{Receiver, publication, send};

in_both_versions![five_mebibytes_arrive];

async fn five_mebibytes_arrive(version: MqttVersion) {
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    receiver.subscribe(&["a"], ONCE).await;
    let large: Vec<u8> = (0..5 << 20).map(|at| (at % 251) as u8).collect();
    let sent = vec![publication("a", large.clone(), ONCE)];
    send(broker.session(version, "sender"), sent).await;
    let messages = receiver.messages(1).await;
    assert!(messages[0].payload == large, "it should arrive as it was sent");
}

/// A broker whose client takes 2,000 bytes at most, with a larger and a smaller message waiting.
async fn small_receiver(broker: &Broker, version: MqttVersion) -> Receiver {
    let settings = SessionSettings {
        max_packet_bytes: 2_000,
        ..broker.session(version, "receiver")
    };
    let mut receiver = Receiver::connected(settings).await;
    receiver.subscribe(&["a"], ONCE).await;
    let sent = vec![
        publication("a", "x".repeat(3_000), ONCE),
        publication("a", "small", ONCE),
    ];
    send(broker.session(version, "sender"), sent).await;
    receiver
}

#[tokio::test]
async fn a_packet_over_the_limit_ends_a_connection_of_mqtt_3_1_1() {
    let broker = Broker::start().await;
    let mut receiver = small_receiver(&broker, V311).await;
    let expected = "the broker sent a packet of 3005 bytes, more than the limit of 2000 bytes";
    assert_eq!(receiver.end().await, MqttEnd::Failed(expected.to_owned()));
}

#[tokio::test]
async fn a_broker_of_mqtt_5_knows_the_limit_and_keeps_to_it() {
    let broker = Broker::start().await;
    let mut receiver = small_receiver(&broker, V5).await;
    assert_eq!(texts(&receiver.messages(1).await), ["small"]);
}
