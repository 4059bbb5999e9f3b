//! What a broker does at moments that a real one can not be made to choose: this one speaks from a script of bytes.

use std::time::Duration;

use jobber_actors::manifest::{MqttProtocol, MqttVersion};
use jobber_actors::ports::{BrokerSettings, MqttEnd, SessionSettings, SubscriberCommand, Subscription};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{advance, pause, timeout};

use super::{ONCE, V5, V311, texts};
use crate::support::mqtt::{Receiver, filter_of};

/// The beginning of all bytes: CONNACK of MQTT 3.1.1, without and with a session.
const NEW_SESSION: &[u8] = &[0x20, 2, 0, 0];
const OLD_SESSION: &[u8] = &[0x20, 2, 1, 0];
/// PUBLISH with QoS 2 and packet id 7 on the topic `a`: the first time, and again.
const MESSAGE: &[u8] = &[0x34, 8, 0, 1, b'a', 0, 7, b'o', b'n', b'e'];
const MESSAGE_AGAIN: &[u8] = &[0x3C, 8, 0, 1, b'a', 0, 7, b'o', b'n', b'e'];
const OTHER_MESSAGE: &[u8] = &[0x34, 8, 0, 1, b'a', 0, 7, b't', b'w', b'o'];
const PUBREC: &[u8] = &[0x50, 2, 0, 7];
const PUBREL: &[u8] = &[0x62, 2, 0, 7];
const PUBCOMP: &[u8] = &[0x70, 2, 0, 7];

struct Script {
    listener: TcpListener,
}

impl Script {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    fn session(&self, version: MqttVersion) -> SessionSettings {
        SessionSettings {
            broker: BrokerSettings {
                protocol: MqttProtocol::Mqtt,
                host: "127.0.0.1".to_owned(),
                port: self.listener.local_addr().unwrap().port(),
                version,
                username: None,
                password: None,
                ca: None,
            },
            client_id: "receiver".to_owned(),
            clean: false,
            receive_maximum: 10,
            max_packet_bytes: 1_000,
        }
    }

    /// The next connection, let in.
    async fn accept(&self, receiver: &mut Receiver, answer: &[u8]) -> Peer {
        let mut peer = self.begin(receiver).await;
        peer.say(answer).await;
        peer
    }

    /// The next connection, whose client waits to be let in.
    async fn begin(&self, receiver: &mut Receiver) -> Peer {
        receiver.begin(usize::MAX);
        let (stream, _) = timeout(Duration::from_secs(10), self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        let mut peer = Peer(stream);
        let mut head = [0; 2];
        peer.0.read_exact(&mut head).await.unwrap();
        assert_eq!(head[0], 0x10, "a CONNECT comes first");
        let mut connect = vec![0; usize::from(head[1])];
        peer.0.read_exact(&mut connect).await.unwrap();
        peer
    }
}

struct Peer(TcpStream);

impl Peer {
    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn hear(&mut self, bytes: &[u8]) {
        let mut heard = vec![0; bytes.len()];
        timeout(Duration::from_secs(10), self.0.read_exact(&mut heard))
            .await
            .expect("something should be said")
            .unwrap();
        assert_eq!(heard, bytes);
    }
}

#[tokio::test]
async fn a_message_of_qos_2_is_taken_once_although_its_acknowledgement_was_lost() {
    let script = Script::new().await;
    let mut receiver = Receiver::new(script.session(V311));
    let mut peer = script.accept(&mut receiver, NEW_SESSION).await;
    peer.say(MESSAGE).await;
    let messages = receiver.messages(1).await;
    receiver.acknowledge(&messages).await;
    peer.hear(PUBREC).await;
    drop(peer);
    assert!(matches!(receiver.end().await, MqttEnd::Failed(_)));

    // As if the PUBREC had not arrived.
    let mut peer = script.accept(&mut receiver, OLD_SESSION).await;
    assert!(receiver.session_present().await);
    peer.say(MESSAGE_AGAIN).await;
    peer.hear(PUBREC).await;
    peer.say(PUBREL).await;
    peer.hear(PUBCOMP).await;
    assert!(receiver.seen().messages.is_empty(), "it was taken before");
    // Its id is free again.
    peer.say(OTHER_MESSAGE).await;
    assert_eq!(texts(&receiver.messages(1).await), ["two"]);
}

#[tokio::test]
async fn a_message_of_qos_2_that_was_not_acknowledged_is_taken_again() {
    let script = Script::new().await;
    let mut receiver = Receiver::new(script.session(V311));
    let mut peer = script.accept(&mut receiver, NEW_SESSION).await;
    peer.say(MESSAGE).await;
    receiver.messages(1).await;
    drop(peer);
    assert!(matches!(receiver.end().await, MqttEnd::Failed(_)));

    let mut peer = script.accept(&mut receiver, OLD_SESSION).await;
    peer.say(MESSAGE_AGAIN).await;
    let messages = receiver.messages(1).await;
    assert!(messages[0].duplicate);
    receiver.acknowledge(&messages).await;
    peer.hear(PUBREC).await;
}

#[tokio::test]
async fn a_new_session_knows_nothing_of_the_old_one() {
    let script = Script::new().await;
    let mut receiver = Receiver::new(script.session(V311));
    let mut peer = script.accept(&mut receiver, NEW_SESSION).await;
    peer.say(MESSAGE).await;
    let messages = receiver.messages(1).await;
    receiver.acknowledge(&messages).await;
    peer.hear(PUBREC).await;
    drop(peer);
    receiver.end().await;

    // The broker has forgotten everything: the same id is another message's.
    let mut peer = script.accept(&mut receiver, NEW_SESSION).await;
    assert!(!receiver.session_present().await);
    peer.say(OTHER_MESSAGE).await;
    assert_eq!(texts(&receiver.messages(1).await), ["two"]);
}

#[tokio::test]
async fn what_a_crashed_client_had_acknowledged_is_completed() {
    let script = Script::new().await;
    let mut receiver = Receiver::new(script.session(V311));
    let mut peer = script.accept(&mut receiver, OLD_SESSION).await;
    peer.say(PUBREL).await;
    peer.hear(PUBCOMP).await;
}

#[tokio::test]
async fn nonsense_ends_the_connection_with_a_reason() {
    let script = Script::new().await;
    // A topic that is not UTF-8, an acknowledgement of nothing, and no MQTT at all.
    let nonsense: [&[u8]; 3] = [&[0x30, 3, 0, 1, 0xFF], &[0x90, 3, 0, 1, 0], &[0xFF, 0]];
    for bytes in nonsense {
        let mut receiver = Receiver::new(script.session(V311));
        let mut peer = script.accept(&mut receiver, NEW_SESSION).await;
        peer.say(bytes).await;
        let MqttEnd::Failed(reason) = receiver.end().await else {
            panic!("{bytes:?} should end the connection")
        };
        assert!(
            reason.starts_with("the broker broke the protocol: "),
            "{bytes:?}: {reason}"
        );
    }
}

#[tokio::test]
async fn a_broker_of_mqtt_5_says_why_it_ends_a_connection() {
    let script = Script::new().await;
    let mut receiver = Receiver::new(script.session(V5));
    let mut peer = script.accept(&mut receiver, &[0x20, 3, 0, 0, 0]).await;
    receiver.session_present().await;
    peer.say(&[0xE0, 6, 0x8E, 4, 0x1F, 0, 1, b'!']).await;
    let expected =
        "the broker ended the connection: another client with the same client id took the session over (!)";
    assert_eq!(receiver.end().await, MqttEnd::Failed(expected.to_owned()));
}

#[tokio::test]
async fn acknowledgements_keep_their_order_and_come_before_the_farewell() {
    let script = Script::new().await;
    let mut receiver = Receiver::new(script.session(V311));
    let mut peer = script.accept(&mut receiver, NEW_SESSION).await;
    for packet in 1..=3 {
        peer.say(&[0x32, 6, 0, 1, b'a', 0, packet, b'!']).await;
    }
    let mut messages = receiver.messages(3).await;
    messages.rotate_right(1);
    receiver.acknowledge(&messages).await;
    // Unread by the client when it closes.
    receiver.command(SubscriberCommand::Leave).await;
    peer.say(&[0x30, 4, 0, 1, b'a', b'!']).await;
    peer.hear(&[0x40, 2, 0, 3, 0x40, 2, 0, 1, 0x40, 2, 0, 2]).await;
    peer.hear(&[0xE0, 0]).await;
    drop(peer);
    assert_eq!(receiver.end().await, MqttEnd::Left);
}

#[tokio::test]
async fn a_broker_that_can_not_name_subscriptions_is_not_asked_to() {
    let script = Script::new().await;
    let mut receiver = Receiver::new(script.session(V5));
    let mut peer = script.accept(&mut receiver, &[0x20, 5, 0, 0, 2, 0x29, 0]).await;
    receiver.session_present().await;
    let subscriptions = ["a", "b"].map(|filter| Subscription {
        filter: filter_of(filter),
        qos: ONCE,
        identifier: 1,
    });
    receiver
        .command(SubscriberCommand::Subscribe(subscriptions.to_vec()))
        .await;
    // No properties; to both filters: QoS 1, what is kept only if the subscription is new.
    peer.hear(&[0x82, 11, 0, 1, 0, 0, 1, b'a', 0x11, 0, 1, b'b', 0x11])
        .await;
    peer.say(&[0x90, 5, 0, 1, 0, 1, 0x8F]).await;
    let seen = receiver
        .until("both answers", |seen| seen.answers.len() == 2)
        .await;
    assert_eq!(seen.answers[0].granted, Ok(ONCE));
    let refused = Err("it does not accept the topic filter".to_owned());
    assert_eq!(seen.answers[1].granted, refused);
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_not_waited_for_without_end() {
    let script = Script::new().await;
    let settings = script.session(V311);
    let mut receiver = Receiver::new(settings.clone());
    let _silent = script.begin(&mut receiver).await;
    pause();
    advance(Duration::from_secs(11)).await;
    let expected = format!(
        "127.0.0.1:{} did not let the client in within 10 seconds",
        settings.broker.port
    );
    assert_eq!(receiver.end().await, MqttEnd::Failed(expected));
}

#[tokio::test]
async fn a_ping_without_an_answer_ends_the_connection() {
    for (version, answer) in [(V311, NEW_SESSION), (V5, &[0x20, 3, 0, 0, 0])] {
        let script = Script::new().await;
        let mut receiver = Receiver::new(script.session(version));
        let mut peer = script.accept(&mut receiver, answer).await;
        receiver.session_present().await;
        pause();
        advance(Duration::from_secs(31)).await;
        peer.hear(&[0xC0, 0]).await;
        advance(Duration::from_secs(31)).await;
        let expected = "the broker did not answer a ping within 30 seconds";
        assert_eq!(receiver.end().await, MqttEnd::Failed(expected.to_owned()));
        tokio::time::resume();
    }
}
