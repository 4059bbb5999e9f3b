//! Messages from a broker to the function, and back.

mod leases;
mod sessions;
mod trouble;

use std::sync::Arc;

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::sleep;

use super::{hello, seconds};
use crate::domain::{JobVersion, TriggerId};
use crate::testing::{FakePackage, Sent, TestTree};
use crate::trigger::{Health, TriggerSort, TriggerStatus};

fn listens(topics: &[&str]) -> FakePackage {
    hello().trigger(json!({
        "type": "mqtt", "name": "messages", "topics": topics,
        "connection": { "host": "broker", "passwordVariable": "PASSWORD" },
    }))
}

fn trigger_of(version: &Arc<JobVersion>) -> TriggerId {
    version.triggers[1].id
}

impl TestTree {
    /// Waits until the broker has a session with so many filters.
    async fn until_subscribed(&self, filters: usize) {
        self.until(|| self.broker.sessions().values().map(Vec::len).sum::<usize>() == filters)
            .await;
    }

    async fn until_finished(&self) {
        self.until(|| self.broker.unfinished() == 0).await;
    }

    fn mqtt_status(&self, version: &Arc<JobVersion>) -> TriggerStatus {
        self.handle.trigger_status(trigger_of(version), TriggerSort::Mqtt)
    }
}

#[test]
fn a_message_is_acknowledged_after_its_handler_succeeded() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/wait/5000", "one"));
        tree.until(|| tree.engine.events().len() == 1).await;
        sleep(seconds(4)).await;
        assert_eq!(tree.broker.unfinished(), 1, "the handler still works");
        sleep(seconds(2)).await;
        assert_eq!(tree.broker.unfinished(), 0);
        let event = &tree.engine.events()[0];
        assert_eq!(
            (event.about.as_str(), event.payload.as_str(), event.attempt),
            ("hello/wait/5000", "one", 1)
        );
        let status = tree.mqtt_status(&version);
        assert_eq!(status.status, Health::Healthy, "{status:?}");
        tree.shut_down().await;
    });
}

#[test]
fn a_failed_message_is_acknowledged_once_it_is_a_dead_letter() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.deliveries.fail(true);
        tree.broker.publish(&Sent::new("hello/throw", "lost?"));
        tree.until(|| tree.engine.events().len() == 1).await;
        sleep(seconds(20)).await;
        assert_eq!(tree.broker.unfinished(), 1, "nothing has been written down");
        tree.deliveries.fail(false);
        tree.until_finished().await;
        let dead = tree.deliveries.dead();
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].0.body, Bytes::from_static(b"lost?"));
        assert_eq!(dead[0].1.reason, "function-failed");
        assert_eq!(tree.engine.events().len(), 1, "it was tried once");
        tree.shut_down().await;
    });
}

#[test]
fn retries_come_from_the_durable_queue_and_hold_nothing_up() {
    run_paused(async {
        let tree = TestTree::start();
        let package = listens(&["hello/#"]).action(json!({ "retries": { "max": 3, "backoff": 60 } }));
        tree.serve(&package).await;
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/flaky/2", "again"));
        tree.until_finished().await;
        assert_eq!(tree.deliveries.unfinished(), 1, "it waits for its second attempt");
        tree.broker.publish(&Sent::new("hello/x", "not held up"));
        tree.until_finished().await;
        tree.until(|| tree.deliveries.unfinished() == 0).await;
        let attempts: Vec<u64> = tree
            .engine
            .events()
            .iter()
            .filter(|event| event.payload == "again")
            .map(|event| event.attempt)
            .collect();
        assert_eq!(attempts, [1, 2, 3]);
        assert_eq!(tree.deliveries.dead().len(), 0);
        tree.shut_down().await;
    });
}

#[test]
fn overlapping_filters_bring_a_message_once_to_each_trigger() {
    run_paused(async {
        let tree = TestTree::start();
        let package = listens(&["hello/#", "hello/+", "+/x"]).trigger(json!({
            "type": "mqtt", "name": "second", "topics": ["hello/x"],
            "connection": { "host": "broker", "passwordVariable": "PASSWORD" },
        }));
        tree.serve(&package).await;
        // `hello/#` covers `hello/+` and `hello/x`.
        tree.until_subscribed(2).await;
        tree.broker.publish(&Sent::new("hello/x", "both"));
        tree.broker.publish(&Sent::new("other/x", "the first"));
        tree.until_finished().await;
        let mut payloads: Vec<_> = tree
            .engine
            .events()
            .into_iter()
            .map(|event| event.payload)
            .collect();
        payloads.sort_unstable();
        assert_eq!(payloads, ["both", "both", "the first"]);
        assert_eq!(tree.broker.sessions().len(), 1, "both share one connection");
        tree.shut_down().await;
    });
}

#[test]
fn a_thousand_filters_on_one_connection_lead_to_their_triggers() {
    run_paused(async {
        let tree = TestTree::start();
        let topics: Vec<String> = (0..1_000)
            .map(|number| format!("hello/{number}/+/state"))
            .collect();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        tree.serve(&listens(&topics)).await;
        tree.until_subscribed(1_000).await;
        for number in (0..1_000).step_by(7) {
            tree.broker
                .publish(&Sent::new(&format!("hello/{number}/a/state"), "yes"));
            tree.broker
                .publish(&Sent::new(&format!("hello/{number}/a/b/state"), "no"));
        }
        tree.until_finished().await;
        let events = tree.engine.events();
        assert_eq!(events.len(), 143);
        assert!(events.iter().all(|event| event.payload == "yes"));
        tree.shut_down().await;
    });
}
