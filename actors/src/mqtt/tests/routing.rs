//! Which filters a topic matches, and which subscriptions stand for them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::filter;
use crate::manifest::QualityOfService;
use crate::mqtt::router::{TopicRouter, covers};
use crate::mqtt::subscriptions::{change, subscriptions};

fn subscribed(filters: &[&str]) -> Vec<String> {
    let filters: Vec<_> = filters
        .iter()
        .map(|text| (filter(text), QualityOfService::AtLeastOnce))
        .collect();
    subscriptions(&filters)
        .into_iter()
        .map(|subscription| subscription.filter.as_str().to_owned())
        .collect()
}

#[test]
fn a_filter_that_another_one_covers_needs_no_subscription() {
    assert_eq!(subscribed(&["a/#", "a/+", "a/b/c", "a"]), ["a/#"]);
    assert_eq!(
        subscribed(&["a/+", "+/b"]),
        ["+/b", "a/+"],
        "they overlap only in part"
    );
    assert_eq!(subscribed(&["#", "$SYS/uptime"]), ["#", "$SYS/uptime"]);
    assert_eq!(subscribed(&["a/+/c", "a/+/+", "a/b/#"]), ["a/+/+", "a/b/#"]);
    assert_eq!(subscribed(&["$share/g/a/#", "$share/g/a/b"]), ["$share/g/a/#"]);
}

#[test]
fn a_subscription_has_the_highest_quality_of_what_it_stands_for() {
    let wanted = subscriptions(&[
        (filter("a/#"), QualityOfService::AtMostOnce),
        (filter("a/b"), QualityOfService::ExactlyOnce),
        (filter("c"), QualityOfService::AtMostOnce),
        (filter("c"), QualityOfService::AtLeastOnce),
    ]);
    let qualities: Vec<u8> = wanted
        .iter()
        .map(|subscription| subscription.qos.level())
        .collect();
    assert_eq!(qualities, [2, 1]);
}

#[test]
fn identifiers_stay_the_same_whatever_else_is_subscribed_to() {
    let alone = subscriptions(&[(filter("a/b"), QualityOfService::AtLeastOnce)]);
    let among = subscriptions(&[
        (filter("0"), QualityOfService::AtLeastOnce),
        (filter("a/b"), QualityOfService::AtLeastOnce),
    ]);
    assert_eq!(alone[0].identifier, among[1].identifier);
    assert!((1..=268_435_455).contains(&alone[0].identifier));
    assert_ne!(among[0].identifier, among[1].identifier);
}

#[test]
fn only_what_changed_is_said_to_the_broker() {
    let told: BTreeMap<_, _> = subscriptions(&[
        (filter("kept"), QualityOfService::AtLeastOnce),
        (filter("gone"), QualityOfService::AtLeastOnce),
        (filter("other"), QualityOfService::AtLeastOnce),
    ])
    .into_iter()
    .map(|subscription| (subscription.filter.clone(), subscription))
    .collect();
    let wanted = subscriptions(&[
        (filter("kept"), QualityOfService::AtLeastOnce),
        (filter("new"), QualityOfService::AtLeastOnce),
        (filter("other"), QualityOfService::ExactlyOnce),
    ]);
    let change = change(&wanted, &told);
    let subscribe: Vec<&str> = change.subscribe.iter().map(|new| new.filter.as_str()).collect();
    assert_eq!(subscribe, ["new", "other"]);
    assert_eq!(change.unsubscribe, [filter("gone")]);
}

fn topic() -> impl Strategy<Value = String> {
    proptest::string::string_regex("(\\$?[ab]{0,1})(/[ab]{0,1}){0,3}")
        .unwrap()
        .prop_filter("a topic has a character", |topic| !topic.is_empty())
}

fn filters() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just("a"), Just("b"), Just("+"), Just(""), Just("$a")];
    let levels = proptest::collection::vec(level, 1..4);
    (levels, any::<bool>()).prop_map(|(levels, hash)| {
        let mut filter = levels.join("/");
        if hash {
            filter = if filter.is_empty() {
                "#".into()
            } else {
                format!("{filter}/#")
            };
        }
        if filter.is_empty() { "+".into() } else { filter }
    })
}

proptest! {
    #[test]
    fn the_tree_finds_what_each_filter_alone_would(
        filters in proptest::collection::vec(filters(), 1..30),
        topics in proptest::collection::vec(topic(), 1..10),
    ) {
        let mut router = TopicRouter::default();
        for (index, text) in filters.iter().enumerate() {
            router.insert(&filter(text), index);
        }
        for topic in topics {
            let mut found = router.matches(&topic);
            found.sort_unstable();
            let wanted: Vec<usize> = (0..filters.len()).filter(|index| filter(&filters[*index]).matches(&topic)).collect();
            prop_assert_eq!(found, wanted, "{}", topic);
        }
    }

    #[test]
    fn a_wider_filter_matches_all_that_a_narrower_one_does(wide in filters(), narrow in filters(), topic in topic()) {
        let (wide, narrow) = (filter(&wide), filter(&narrow));
        if covers(&wide, &narrow) && narrow.matches(&topic) {
            prop_assert!(wide.matches(&topic), "{:?} {:?} {}", wide, narrow, topic);
        }
    }

    #[test]
    fn subscriptions_bring_every_message_of_the_filters(
        texts in proptest::collection::vec(filters(), 1..12),
        topics in proptest::collection::vec(topic(), 1..10),
    ) {
        let wanted: Vec<_> = texts.iter().map(|text| (filter(text), QualityOfService::AtLeastOnce)).collect();
        let subscriptions = subscriptions(&wanted);
        for topic in topics {
            let asked = wanted.iter().any(|(filter, _)| filter.matches(&topic));
            let comes = subscriptions.iter().any(|subscription| subscription.filter.matches(&topic));
            prop_assert_eq!(asked, comes, "{}", topic);
        }
        let identifiers: BTreeSet<u32> = subscriptions.iter().map(|subscription| subscription.identifier).collect();
        prop_assert_eq!(identifiers.len(), subscriptions.len());
    }
}
