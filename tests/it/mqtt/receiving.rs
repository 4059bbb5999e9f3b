//! Subscribing and receiving.

use bytes::Bytes;
use jobber::mosquitto::MosquittoSettings;
use jobber_actors::manifest::{MqttVersion, QualityOfService};
use jobber_actors::ports::{MessageProperties, Publication, SubscriberCommand, Subscription};

use super::{EXACTLY, ONCE, QOS, V5, V311, texts};
use crate::support::Broker;
use crate::support::mqtt::{Receiver, filter_of, publication, send};

in_both_versions![
    messages_of_every_quality_arrive_and_are_acknowledged,
    what_was_given_up_does_not_come_any_more,
    many_filters_are_subscribed_to_at_once,
    a_refused_subscription_is_told_with_the_others,
    a_kept_message_is_told_from_others,
];

async fn messages_of_every_quality_arrive_and_are_acknowledged(version: MqttVersion) {
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    for (topic, qos) in ["0", "1", "2"].into_iter().zip(QOS) {
        let answers = receiver.subscribe(&[topic], qos).await;
        assert_eq!(answers[0].granted, Ok(qos));
    }
    let sent = ["0", "1", "2"]
        .into_iter()
        .zip(QOS)
        .map(|(topic, qos)| publication(topic, format!("by {topic}"), qos))
        .collect();
    send(broker.session(version, "sender"), sent).await;

    let mut messages = receiver.messages(3).await;
    messages.sort_by_key(|message| message.qos);
    assert_eq!(texts(&messages), ["by 0", "by 1", "by 2"]);
    for (message, qos) in messages.iter().zip(QOS) {
        assert_eq!(
            (message.qos, message.retain, message.duplicate),
            (qos, false, false)
        );
        assert_eq!(message.topic, qos.level().to_string());
        assert_eq!(message.packet.is_some(), qos != QualityOfService::AtMostOnce);
    }
    receiver.acknowledge(&messages).await;
    receiver.leave().await;

    assert!(receiver.connect().await, "the broker remembers the session");
    send(
        broker.session(version, "sender"),
        vec![publication("1", "next", ONCE)],
    )
    .await;
    let next = receiver.messages(1).await;
    assert_eq!(
        texts(&next),
        ["next"],
        "what was acknowledged does not come again"
    );
}

async fn what_was_given_up_does_not_come_any_more(version: MqttVersion) {
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    receiver.subscribe(&["a", "b"], ONCE).await;
    receiver
        .command(SubscriberCommand::Unsubscribe(vec![filter_of("a")]))
        .await;
    // Answered behind the other.
    receiver.subscribe(&["c"], ONCE).await;

    let sent = ["a", "b", "c"].map(|topic| publication(topic, topic, ONCE));
    send(broker.session(version, "sender"), sent.to_vec()).await;
    assert_eq!(texts(&receiver.messages(2).await), ["b", "c"]);
}

async fn many_filters_are_subscribed_to_at_once(version: MqttVersion) {
    const COUNT: usize = 300;
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    let filters: Vec<String> = (0..COUNT).map(|number| format!("t/{number}/+")).collect();
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    let mut answers = receiver.subscribe(&filters, ONCE).await;
    answers.sort_by(|a, b| a.filter.cmp(&b.filter));
    answers.dedup_by(|a, b| a.filter == b.filter);
    assert_eq!(answers.len(), COUNT);
    assert!(answers.iter().all(|answer| answer.granted == Ok(ONCE)));

    let sent = (0..COUNT).map(|number| publication(&format!("t/{number}/x"), number.to_string(), ONCE));
    send(broker.session(version, "sender"), sent.collect()).await;
    for (number, message) in receiver.messages(COUNT).await.iter().enumerate() {
        assert_eq!(message.payload, number.to_string());
        let named = vec![u32::try_from(number + 1).unwrap()];
        assert_eq!(message.subscriptions, if version == V5 { named } else { vec![] });
    }
}

async fn a_refused_subscription_is_told_with_the_others(version: MqttVersion) {
    let broker = Broker::configured(|folder, _| {
        let file = folder.join("security.json");
        let rights = serde_json::json!({
            "defaultACLAccess": {
                "publishClientSend": true, "publishClientReceive": true, "subscribe": false, "unsubscribe": true
            },
            "clients": [],
            "groups": [{ "groupname": "anyone", "roles": [{ "rolename": "anyone" }], "clients": [] }],
            "roles": [{ "rolename": "anyone", "acls": [
                { "acltype": "subscribePattern", "topic": "open/#", "priority": 0, "allow": true }
            ] }],
            "anonymousGroup": "anyone",
        });
        std::fs::write(&file, rights.to_string()).unwrap();
        MosquittoSettings {
            lines: vec![
                format!("plugin {}", dynamic_security()),
                format!("plugin_opt_config_file {}", file.display()),
            ],
            ..MosquittoSettings::default()
        }
    })
    .await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    let mut answers = receiver
        .subscribe(&["open/a", "secret/a", "open/b"], EXACTLY)
        .await;
    answers.sort_by(|a, b| a.filter.cmp(&b.filter));
    assert_eq!(answers[0].granted, Ok(EXACTLY));
    assert_eq!(answers[1].granted, Ok(EXACTLY));
    let reason = answers[2].granted.clone().unwrap_err();
    let expected = match version {
        V311 => "the broker gives no reason (MQTT 3.1.1 knows none)",
        V5 => "not authorised",
    };
    assert_eq!(reason, expected);
}

/// The broker's own plugin, which knows rights for subscriptions.
fn dynamic_security() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    folders
        .map(|folder| folder.path().join("mosquitto_dynamic_security.so"))
        .find(|plugin| plugin.exists())
        .expect("Debian's package has the plugin")
        .display()
        .to_string()
}

async fn a_kept_message_is_told_from_others(version: MqttVersion) {
    let broker = Broker::start().await;
    let kept = Publication {
        retain: true,
        ..publication("a", "kept", ONCE)
    };
    send(broker.session(version, "sender"), vec![kept.clone()]).await;
    let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
    receiver.subscribe(&["a"], ONCE).await;
    let messages = receiver.messages(1).await;
    assert!(messages[0].retain, "it was there before the subscription");
    receiver.acknowledge(&messages).await;

    send(broker.session(version, "sender"), vec![kept]).await;
    let messages = receiver.messages(2).await;
    assert!(!messages[1].retain, "it came after the subscription");
    receiver.acknowledge(&messages[1..]).await;
    receiver.leave().await;

    // Only MQTT 5 can say that a subscription is not new and that what is kept is not wanted again.
    receiver.connect().await;
    receiver.subscribe(&["a", "end"], ONCE).await;
    send(
        broker.session(version, "sender"),
        vec![publication("end", "end", ONCE)],
    )
    .await;
    let expected: &[&str] = if version == V5 { &["end"] } else { &["kept", "end"] };
    let messages = receiver.messages(expected.len()).await;
    assert_eq!(texts(&messages), expected);
}

#[tokio::test]
async fn all_properties_of_mqtt_5_arrive() {
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(V5, "receiver")).await;
    let subscriptions = [("a/+", 268_435_455), ("a/#", 7)].map(|(filter, identifier)| Subscription {
        filter: filter_of(filter),
        qos: ONCE,
        identifier,
    });
    receiver
        .command(SubscriberCommand::Subscribe(subscriptions.to_vec()))
        .await;
    receiver
        .until("both answers", |seen| seen.answers.len() == 2)
        .await;

    let properties = MessageProperties {
        content_type: Some("application/json".to_owned()),
        response_topic: Some("answers/1".to_owned()),
        correlation_data: Some(Bytes::from_static(b"\0\xff")),
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(3_600),
        user_properties: vec![
            ("b".to_owned(), "1".to_owned()),
            ("a".to_owned(), "ü".to_owned()),
            ("b".to_owned(), "2".to_owned()),
        ],
    };
    let sent = Publication {
        properties: properties.clone(),
        ..publication("a/b", "{}", ONCE)
    };
    send(broker.session(V5, "sender"), vec![sent]).await;

    // A broker may send it once for both subscriptions, or once for each.
    let named = |seen: &crate::support::mqtt::Seen| {
        let mut all: Vec<u32> = seen
            .messages
            .iter()
            .flat_map(|message| message.subscriptions.clone())
            .collect();
        all.sort_unstable();
        all
    };
    let seen = receiver
        .until("both subscriptions", |seen| named(seen) == [7, 268_435_455])
        .await;
    let received = &seen.messages[0].properties;
    let left = received.message_expiry_interval.unwrap();
    assert!((3_500..=3_600).contains(&left), "the broker counts down: {left}");
    let rest = MessageProperties {
        message_expiry_interval: properties.message_expiry_interval,
        ..received.clone()
    };
    assert_eq!(rest, properties);
}

#[tokio::test]
async fn mqtt_3_1_1_has_no_properties() {
    let broker = Broker::start().await;
    let mut receiver = Receiver::connected(broker.session(V311, "receiver")).await;
    receiver.subscribe(&["a"], ONCE).await;
    let properties = MessageProperties {
        content_type: Some("text/plain".to_owned()),
        ..MessageProperties::default()
    };
    let sent = Publication {
        properties,
        ..publication("a", "x", ONCE)
    };
    send(broker.session(V311, "sender"), vec![sent]).await;
    let messages = receiver.messages(1).await;
    assert_eq!(messages[0].properties, MessageProperties::default());
}
