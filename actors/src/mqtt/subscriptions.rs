//! Which subscriptions a connection makes for the filters of its triggers: pure decisions.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::router::{TopicRouter, covers};
use crate::manifest::QualityOfService;
use crate::ports::Subscription;
use crate::topic::TopicFilter;

/// The largest identifier of a subscription (MQTT 5, section 3.8.2.1.2).
const LAST_IDENTIFIER: u32 = 268_435_455;

/// The fewest subscriptions that bring all messages of these filters: a filter that another one covers is left out, since a
/// broker may send a message once for each subscription. Where a filter stands for several, the highest quality counts.
#[must_use]
pub(super) fn subscriptions(filters: &[(TopicFilter, QualityOfService)]) -> Vec<Subscription> {
    let mut wanted: BTreeMap<&TopicFilter, QualityOfService> = BTreeMap::new();
    for (filter, qos) in filters {
        let known = wanted.entry(filter).or_insert(*qos);
        *known = (*known).max(*qos);
    }
    let wide: Vec<&TopicFilter> = wanted
        .keys()
        .copied()
        .filter(|filter| filter.filter().contains(['+', '#']))
        .collect();
    let mut router = TopicRouter::default();
    for (index, filter) in wide.iter().enumerate() {
        router.insert(filter, index);
    }
    // A filter that covers another one matches its text, as if that were a topic. The converse is not true of `#`.
    let covering = |filter: &TopicFilter| {
        let mut candidates = router.matches(filter.filter());
        candidates.sort_unstable();
        let mut candidates = candidates.into_iter().map(|index| wide[index]);
        candidates.find(|wide| *wide != filter && covers(wide, filter) && !covered_back(wide, filter))
    };
    let mut kept: BTreeMap<&TopicFilter, QualityOfService> = BTreeMap::new();
    for (filter, qos) in &wanted {
        let mut representative = *filter;
        // Each step leads to a wider filter, so this ends.
        while let Some(wider) = covering(representative) {
            representative = wider;
        }
        let known = kept.entry(representative).or_insert(*qos);
        *known = (*known).max(*qos);
    }
    let mut taken = BTreeSet::new();
    kept.into_iter()
        .map(|(filter, qos)| Subscription {
            filter: filter.clone(),
            qos,
            identifier: identifier(filter, &mut taken),
        })
        .collect()
}

/// Two filters that match the same topics: only one of both stands for the other.
fn covered_back(wide: &TopicFilter, filter: &TopicFilter) -> bool {
    covers(filter, wide) && filter < wide
}

/// The same for a filter in every life of the server, as long as no two filters come to the same number.
fn identifier(filter: &TopicFilter, taken: &mut BTreeSet<u32>) -> u32 {
    let hash = Sha256::digest(filter.as_str());
    let mut number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % LAST_IDENTIFIER + 1;
    while !taken.insert(number) {
        number = number % LAST_IDENTIFIER + 1;
    }
    number
}

/// What is to be said to the broker so that it has `wanted` and nothing else of what it had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// To be subscribed to.
    pub subscribe: Vec<Subscription>,
    /// To be given up.
    pub unsubscribe: Vec<TopicFilter>,
}

/// Compares what is wanted with what the broker was told.
#[must_use]
pub(super) fn change(wanted: &[Subscription], told: &BTreeMap<TopicFilter, Subscription>) -> Change {
    let subscribe = wanted
        .iter()
        .filter(|subscription| told.get(&subscription.filter) != Some(subscription));
    let kept: BTreeSet<&TopicFilter> = wanted.iter().map(|subscription| &subscription.filter).collect();
    let unsubscribe = told.keys().filter(|filter| !kept.contains(filter));
    Change {
        subscribe: subscribe.cloned().collect(),
        unsubscribe: unsubscribe.cloned().collect(),
    }
}
