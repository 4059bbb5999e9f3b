//! Publishing.

use jobber::mosquitto::MosquittoSettings;
use jobber_actors::manifest::{MqttVersion, QualityOfService};
use jobber_actors::ports::{MqttEnd, PublicationError, PublicationId};

use super::{EXACTLY, ONCE, V5, V311, texts};
use crate::support::Broker;
use crate::support::mqtt::{Receiver, Sender, publication, send};

in_both_versions![
    publications_arrive_in_the_order_in_which_they_were_given,
    what_is_not_acknowledged_when_the_broker_goes_is_told,
    what_breaks_the_protocol_is_refused_and_the_next_is_sent,
    what_an_access_list_forbids_is_told_where_the_protocol_can,
];

async fn publications_arrive_in_the_order_in_which_they_were_given(version: MqttVersion) {
    const COUNT: usize = 1_000;
    for qos in [ONCE, EXACTLY] {
        let broker = Broker::start().await;
        let mut receiver = Receiver::connected(broker.session(version, "receiver")).await;
        receiver.subscribe(&["a"], QualityOfService::AtMostOnce).await;
        let sent = (0..COUNT).map(|number| publication("a", number.to_string(), qos));
        send(broker.session(version, "sender"), sent.collect()).await;
        let messages = receiver.messages(COUNT).await;
        let expected: Vec<String> = (0..COUNT).map(|number| number.to_string()).collect();
        assert_eq!(texts(&messages), expected, "{qos:?}");
    }
}

async fn what_is_not_acknowledged_when_the_broker_goes_is_told(version: MqttVersion) {
    let mut broker = Broker::start().await;
    let many = (0..50_000).map(|number| publication("a", number.to_string(), ONCE));
    let mut sender = Sender::begin(broker.session(version, "sender"), many.collect(), false);
    sender.results(100).await;
    broker.kill().await;
    let (end, results) = sender.end().await;
    assert!(matches!(end, MqttEnd::Failed(_)), "{end:?}");

    // Each that was taken from the line has one result, and those without an answer are the last.
    let mut ids: Vec<u64> = results.iter().map(|(id, _)| id.0).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..results.len() as u64).collect::<Vec<_>>());
    let interrupted = results
        .iter()
        .filter(|(_, result)| *result == Err(PublicationError::Interrupted));
    let (interrupted, all) = (interrupted.count(), results.len());
    assert!((1..=64).contains(&interrupted), "{interrupted} of {all}");
    let taken = results.iter().filter(|(_, result)| result.is_ok()).count();
    assert_eq!(interrupted + taken, all);
}

async fn what_breaks_the_protocol_is_refused_and_the_next_is_sent(version: MqttVersion) {
    let broker = Broker::start().await;
    let sent = vec![
        publication("a", "1", ONCE),
        publication("a/#", "2", ONCE),
        publication("", "3", ONCE),
        publication("a", "4", ONCE),
    ];
    let mut sender = Sender::begin(broker.session(version, "sender"), sent, true);
    let (end, mut results) = sender.end().await;
    assert_eq!(end, MqttEnd::Left);
    results.sort_by_key(|(id, _)| *id);
    let refused: Vec<bool> = results
        .iter()
        .map(|(_, result)| matches!(result, Err(PublicationError::Refused(_))))
        .collect();
    assert_eq!(refused, [false, true, true, false]);
}

async fn what_an_access_list_forbids_is_told_where_the_protocol_can(version: MqttVersion) {
    let broker = Broker::configured(|folder, _| {
        let file = folder.join("access");
        std::fs::write(&file, "topic readwrite open/#\n").unwrap();
        MosquittoSettings {
            lines: vec![format!("acl_file {}", file.display())],
            ..MosquittoSettings::default()
        }
    })
    .await;
    for qos in [ONCE, EXACTLY] {
        let sent = vec![publication("secret/a", "1", qos), publication("open/a", "2", qos)];
        let (end, mut results) = Sender::begin(broker.session(version, "sender"), sent, true)
            .end()
            .await;
        assert_eq!(end, MqttEnd::Left);
        results.sort_by_key(|(id, _)| *id);
        let forbidden = match version {
            V5 => Err(PublicationError::Refused("not authorised".to_owned())),
            V311 => Ok(()),
        };
        assert_eq!(
            results,
            [(PublicationId(0), forbidden), (PublicationId(1), Ok(()))]
        );
    }
}

#[tokio::test]
async fn what_is_larger_than_the_broker_takes_is_refused_before_it_is_sent() {
    let broker = Broker::configured(|_, _| MosquittoSettings {
        lines: vec!["max_packet_size 1000".to_owned()],
        ..MosquittoSettings::default()
    })
    .await;
    let sent = vec![
        publication("a", "x".repeat(1_000), ONCE),
        publication("a", "small", ONCE),
    ];
    let (end, mut results) = Sender::begin(broker.session(V5, "sender"), sent, true)
        .end()
        .await;
    assert_eq!(end, MqttEnd::Left);
    results.sort_by_key(|(id, _)| *id);
    let Err(PublicationError::Refused(reason)) = &results[0].1 else {
        panic!("{results:?}")
    };
    assert_eq!(reason, "it takes packets up to 1000 bytes, this one has 1009");
    assert_eq!(results[1].1, Ok(()));
}
