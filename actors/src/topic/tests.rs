use proptest::prelude::*;

use super::{MAX_TOPIC_BYTES, TopicFilter, TopicFilterError};

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).expect(text)
}

fn refusal(text: &str) -> TopicFilterError {
    TopicFilter::parse(text).expect_err(text)
}

#[test]
fn a_plain_filter_matches_its_own_topic_only() {
    let lamp = filter("house/kitchen/lamp");
    assert!(lamp.matches("house/kitchen/lamp"));
    assert!(!lamp.matches("house/kitchen"));
    assert!(!lamp.matches("house/kitchen/lamp/"));
    assert!(!lamp.matches("House/kitchen/lamp"));
}

#[test]
fn plus_stands_for_exactly_one_level_even_an_empty_one() {
    assert!(filter("house/+/lamp").matches("house/kitchen/lamp"));
    assert!(filter("house/+/lamp").matches("house//lamp"));
    assert!(!filter("house/+/lamp").matches("house/a/b/lamp"));
    assert!(filter("/+").matches("/finance"));
    assert!(filter("+/+").matches("/finance"));
    assert!(!filter("+").matches("/finance"));
}

#[test]
fn hash_stands_for_the_rest_and_includes_its_parent() {
    let all = filter("sport/tennis/#");
    assert!(all.matches("sport/tennis"));
    assert!(all.matches("sport/tennis/player1"));
    assert!(all.matches("sport/tennis/player1/ranking"));
    assert!(!all.matches("sport/tennis2"));
    assert!(filter("#").matches("anything/at/all"));
}

#[test]
fn leading_wildcards_leave_the_brokers_own_topics_alone() {
    assert!(!filter("#").matches("$SYS/uptime"));
    assert!(!filter("+/uptime").matches("$SYS/uptime"));
    assert!(filter("$SYS/#").matches("$SYS/uptime"));
    assert!(!filter("$share/workers/#").matches("$SYS/uptime"));
}

#[test]
fn a_shared_subscription_compares_without_its_group() {
    let shared = filter("$share/workers/jobs/+");
    assert_eq!(shared.group(), Some("workers"));
    assert_eq!(shared.filter(), "jobs/+");
    assert_eq!(shared.as_str(), "$share/workers/jobs/+");
    assert!(shared.matches("jobs/7"));
    assert!(!shared.matches("$share/workers/jobs/7"));
    assert_eq!(filter("$sharex/a").group(), None);
    assert_eq!(filter("$share/g//x").filter(), "/x");
}

#[test]
fn faults_are_named_with_their_position() {
    assert_eq!(refusal(""), TopicFilterError::Empty);
    assert_eq!(refusal("a\0b"), TopicFilterError::Nul { position: 1 });
    assert_eq!(
        refusal("é/b+"),
        TopicFilterError::WildcardInsideLevel {
            wildcard: '+',
            position: 3
        }
    );
    assert_eq!(
        refusal("a/#b"),
        TopicFilterError::WildcardInsideLevel {
            wildcard: '#',
            position: 2
        }
    );
    assert_eq!(refusal("a/#/b"), TopicFilterError::HashNotLast { position: 2 });
    assert_eq!(refusal("#/"), TopicFilterError::HashNotLast { position: 0 });
    for shared in [
        "$share",
        "$share/",
        "$share/g",
        "$share//t",
        "$share/g+/t",
        "$share/#/t",
    ] {
        assert_eq!(refusal(shared), TopicFilterError::ShareGroup, "{shared}");
    }
    assert_eq!(refusal("$share/g/"), TopicFilterError::Empty);
    assert_eq!(
        refusal(&"x".repeat(MAX_TOPIC_BYTES + 1)),
        TopicFilterError::TooLong(MAX_TOPIC_BYTES + 1)
    );
    assert!(TopicFilter::parse(&"x".repeat(MAX_TOPIC_BYTES)).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_without_a_panic(text in "[a+#/$\\x00é]{0,12}|\\$share/[a+#/]{0,8}") {
        if let Ok(parsed) = TopicFilter::parse(&text) {
            prop_assert_eq!(parsed.as_str(), text);
        }
    }

    #[test]
    fn a_topic_matches_itself_and_every_generalisation_of_it(
        levels in proptest::collection::vec("[a-c]{0,2}", 1..6),
        blanked in proptest::collection::vec(any::<bool>(), 6),
        cut in 0usize..6,
    ) {
        let topic = levels.join("/");
        prop_assume!(!topic.is_empty());
        let general: Vec<&str> = levels
            .iter()
            .zip(&blanked)
            .map(|(level, blank)| if *blank { "+" } else { level.as_str() })
            .collect();
        let general_text = general.join("/");
        prop_assert!(filter(&topic).matches(&topic));
        if !general_text.is_empty() {
            prop_assert!(filter(&general_text).matches(&topic));
        }
        let mut open = general[..cut.min(general.len())].to_vec();
        open.push("#");
        prop_assert!(filter(&open.join("/")).matches(&topic));
    }
}
