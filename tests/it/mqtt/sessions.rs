//! What a session keeps over connections, crashes of the client and crashes of the broker.

use std::time::Duration;

use jobber::mqtt::RumqttClients;
use jobber_actors::manifest::MqttVersion;
use jobber_actors::ports::{MqttClients, MqttEnd, SessionSettings, SubscriberCommand};

use super::{EXACTLY, ONCE, texts};
use crate::support::Broker;
use crate::support::mqtt::{Receiver, publication, send};

in_both_versions![
    what_was_not_acknowledged_comes_again_after_a_crash,
    acknowledgements_go_out_before_taking_leave,
    without_room_the_connection_ends_and_what_was_left_comes_later,
    a_clean_session_is_forgotten,
    a_broker_that_comes_back_is_connected_to_again,
    a_session_is_forgotten_on_demand,
    another_client_with_the_same_id_ends_the_connection,
    acknowledgements_in_any_order_of_many_messages_are_counted,
];

fn numbered(
    count: usize,
    qos: jobber_actors::manifest::QualityOfService,
) -> Vec<jobber_actors::ports::Publication> {
    (0..count)
        .map(|number| publication("a", number.to_string(), qos))
        .collect()
}

async fn what_was_not_acknowledged_comes_again_after_a_crash(version: MqttVersion) {
    for qos in [ONCE, EXACTLY] {
        let broker = Broker::start().await;
        let settings = broker.session(version, "receiver");
        let mut receiver = Receiver::connected(settings.clone()).await;
        receiver.subscribe(&["a"], qos).await;
        send(broker.session(version, "sender"), numbered(4, qos)).await;
        let messages = receiver.messages(4).await;
        receiver.acknowledge(&messages[..1]).await;
        receiver.acknowledge(&messages[2..3]).await;
        // Answered behind the acknowledgements, so the broker has seen them.
        receiver.subscribe(&["b"], qos).await;
        receiver.crash().await;

        // A client that knows nothing of the one before, as after a restart.
        let mut receiver = Receiver::new(settings);
        assert!(receiver.connect().await, "the broker remembers the session");
        let again = receiver.messages(2).await;
        assert_eq!(texts(&again), ["1", "3"], "{qos:?}");
        assert!(again.iter().all(|message| message.duplicate));
        receiver.acknowledge(&again).await;
        receiver.leave().await;

        assert!(receiver.connect().await);
        send(
            broker.session(version, "sender"),
            vec![publication("a", "next", qos)],
        )
        .await;
        assert_eq!(texts(&receiver.messages(1).await), ["next"], "{qos:?}");
    }
}

async fn acknowledgements_go_out_before_taking_leave(version: MqttVersion) {
    const COUNT: usize = 400;
    for qos in [ONCE, EXACTLY] {
        let broker = Broker::start().await;
        let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
        receiver.subscribe(&["a"], qos).await;
        send(broker.session(version, "sender"), numbered(COUNT, qos)).await;
        let messages = receiver.messages(COUNT).await;
        receiver.acknowledge(&messages).await;
        receiver.leave().await;

        assert!(receiver.connect().await);
        send(
            broker.session(version, "sender"),
            vec![publication("a", "next", qos)],
        )
        .await;
        assert_eq!(texts(&receiver.messages(1).await), ["next"], "{qos:?}");
    }
}

async fn without_room_the_connection_ends_and_what_was_left_comes_later(version: MqttVersion) {
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    receiver.subscribe(&["a"], ONCE).await;
    receiver.leave().await;
    send(broker.session(version, "sender"), numbered(10, ONCE)).await;

    receiver.begin(3);
    assert_eq!(receiver.end().await, MqttEnd::NoRoom);
    assert_eq!(texts(&receiver.seen().messages), ["0", "1", "2"]);

    assert!(receiver.connect().await);
    let messages = receiver.messages(10).await;
    let expected: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(texts(&messages), expected);
}

async fn a_clean_session_is_forgotten(version: MqttVersion) {
    let broker = Broker::start().await;
    let settings = SessionSettings {
        clean: true,
        ..broker.session(version, "receiver")
    };
    let mut receiver = Receiver::connected(settings).await;
    receiver.subscribe(&["a"], ONCE).await;
    receiver.leave().await;
    assert!(!receiver.connect().await);
    receiver.subscribe(&["b"], ONCE).await;
    let sent = vec![publication("a", "lost", ONCE), publication("b", "here", ONCE)];
    send(broker.session(version, "sender"), sent).await;
    assert_eq!(texts(&receiver.messages(1).await), ["here"]);
}

async fn a_broker_that_comes_back_is_connected_to_again(version: MqttVersion) {
    let mut broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    receiver.subscribe(&["a"], ONCE).await;

    broker.stop().await;
    let end = receiver.end().await;
    let MqttEnd::Failed(reason) = end else {
        panic!("{end:?}")
    };
    assert_eq!(reason, "the broker closed the connection");
    receiver.begin(usize::MAX);
    let MqttEnd::Failed(reason) = receiver.end().await else {
        panic!("there is no broker")
    };
    assert!(reason.contains("connection refused"), "{reason}");

    broker.start_again().await;
    assert!(receiver.connect().await, "a stop saved the session");
    send(
        broker.session(version, "sender"),
        vec![publication("a", "1", ONCE)],
    )
    .await;
    receiver.acknowledge(&receiver.seen().messages.clone()).await;
    assert_eq!(texts(&receiver.messages(1).await), ["1"]);

    broker.kill().await;
    assert!(matches!(receiver.end().await, MqttEnd::Failed(_)));
    broker.start_again().await;
    // What a killed broker remembers is its own affair.
    receiver.connect().await;
    receiver.subscribe(&["b"], ONCE).await;
    send(
        broker.session(version, "sender"),
        vec![publication("b", "2", ONCE)],
    )
    .await;
    let seen = receiver
        .until("the new message", |seen| texts(&seen.messages).contains(&"2"))
        .await;
    drop(seen);
    receiver.leave().await;
}

async fn a_session_is_forgotten_on_demand(version: MqttVersion) {
    let mut broker = Broker::start().await;
    let settings = broker.session(version, "receiver");
    let mut receiver = Receiver::connected(settings.clone()).await;
    receiver.subscribe(&["a"], ONCE).await;
    receiver.leave().await;
    send(broker.session(version, "sender"), numbered(3, ONCE)).await;

    let patience = Duration::from_secs(10);
    RumqttClients.forget(settings.clone(), patience).await.unwrap();
    assert!(!receiver.connect().await, "the session is gone");
    receiver.subscribe(&["b"], ONCE).await;
    let sent = vec![publication("a", "lost", ONCE), publication("b", "here", ONCE)];
    send(broker.session(version, "sender"), sent).await;
    assert_eq!(texts(&receiver.messages(1).await), ["here"]);
    receiver.leave().await;

    broker.kill().await;
    let end = RumqttClients.forget(settings, patience).await.unwrap_err();
    assert!(end.to_string().contains("connection refused"), "{end}");
}

async fn another_client_with_the_same_id_ends_the_connection(version: MqttVersion) {
    let broker = Broker::start().await;
    let mut first = Receiver::connected(broker.session(version, "receiver")).await;
    let mut second = Receiver::connected(broker.session(version, "receiver")).await;
    let MqttEnd::Failed(reason) = first.end().await else {
        panic!("the broker should end it")
    };
    // This broker gives no reason, although MQTT 5 has one.
    assert_eq!(reason, "the broker closed the connection");
    second.leave().await;
}

async fn acknowledgements_in_any_order_of_many_messages_are_counted(version: MqttVersion) {
    const COUNT: usize = 2_000;
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    receiver.subscribe(&["a"], ONCE).await;
    send(broker.session(version, "sender"), numbered(COUNT, ONCE)).await;

    // More than the broker sends at once, so it needs the acknowledgements to go on.
    let mut acknowledged = 0;
    while acknowledged < COUNT {
        let messages = receiver.messages(acknowledged + 1).await;
        let mut new = messages[acknowledged..].to_vec();
        new.reverse();
        receiver.acknowledge(&new).await;
        acknowledged = messages.len();
    }
    receiver.command(SubscriberCommand::Leave).await;
    assert_eq!(receiver.end().await, MqttEnd::Left);
    let received = receiver.seen().messages.clone();
    let expected: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(texts(&received), expected);
    assert!(receiver.connect().await);
    send(
        broker.session(version, "sender"),
        vec![publication("a", "next", ONCE)],
    )
    .await;
    assert_eq!(texts(&receiver.messages(1).await), ["next"]);
}
