//! Messages from a broker to the function, and back.

use std::sync::Arc;

use bytes::Bytes;
use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::sleep;

use super::{hello, seconds};
use crate::domain::{JobVersion, TriggerId};
use crate::manifest::QualityOfService;
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
fn what_is_not_acknowledged_comes_again_and_is_not_handled_twice_at_once() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/wait/20000", "slow"));
        tree.broker.publish(&Sent::new("hello/x", "behind it"));
        tree.until(|| tree.engine.events().len() == 2).await;
        for _ in 0..3 {
            let before = tree.broker.connections();
            tree.broker.cut();
            tree.until(|| tree.broker.connections() > before).await;
            sleep(seconds(1)).await;
        }
        assert_eq!(tree.broker.unfinished(), 2, "acknowledgements are in order");
        tree.until_finished().await;
        assert_eq!(tree.engine.events().len(), 2, "each was handled once");
        tree.shut_down().await;
    });
}

#[test]
fn a_lost_runner_is_no_failure_of_the_message() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/wait/3000", "survivor"));
        tree.until(|| tree.engine.events().len() == 1).await;
        assert!(tree.engine.kill(tree.engine.live()[0]));
        tree.until(|| tree.engine.events().len() == 2).await;
        tree.until(|| tree.deliveries.unfinished() == 0 && tree.broker.unfinished() == 0)
            .await;
        assert_eq!(tree.engine.events()[1].attempt, 2);
        assert_eq!(tree.deliveries.dead().len(), 0);

        tree.broker.publish(&Sent::new("hello/exit", "poison"));
        tree.until(|| tree.deliveries.dead().len() == 1).await;
        let poison = tree
            .engine
            .events()
            .iter()
            .filter(|event| event.payload == "poison")
            .count();
        assert_eq!(poison, 6, "it does not end runners for ever");
        tree.shut_down().await;
    });
}

#[test]
fn a_full_lane_is_back_pressure_for_the_broker() {
    run_paused(async {
        let tree = TestTree::start();
        let package = listens(&["hello/#"]).action(json!({
            "runnerAsynchronous": false, "runnerMaxCount": 1, "queue": { "length": 4, "wait": 5 },
        }));
        tree.serve(&package).await;
        tree.until_subscribed(1).await;
        for number in 0..20 {
            tree.broker
                .publish(&Sent::new("hello/wait/1500", &number.to_string()));
        }
        tree.until(|| tree.engine.events().len() == 1).await;
        assert!(tree.gauge("/hello/x").waiting <= 2, "callers who wait find room");
        assert_eq!(tree.get("/hello/x").await, "hello");
        tree.until_finished().await;
        assert_eq!(
            tree.engine.events().len(),
            20,
            "waiting too long in the lane is no failure"
        );
        assert_eq!(tree.deliveries.dead().len(), 0);
        tree.shut_down().await;
    });
}

#[test]
fn a_module_that_can_not_be_imported_loses_no_message() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        let broken = crate::testing::RunnerScript {
            load: crate::testing::LoadScript::Rejects("no such module".into()),
            ..crate::testing::RunnerScript::default()
        };
        tree.engine.script(broken);
        assert!(tree.engine.kill(tree.engine.live()[0]));
        tree.until_runners("/hello/x", 0).await;
        tree.broker.publish(&Sent::new("hello/x", "waits"));
        sleep(seconds(120)).await;
        assert_eq!((tree.broker.unfinished(), tree.engine.events().len()), (1, 0));
        tree.engine.script(crate::testing::RunnerScript::default());
        tree.until_finished().await;
        assert_eq!(tree.engine.events().len(), 1);
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

#[test]
fn a_deploy_changes_the_subscriptions_and_keeps_the_session() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/a", "hello/b"])).await;
        tree.until_subscribed(2).await;
        let (client, connections) = (
            tree.broker.sessions().into_keys().next(),
            tree.broker.connections(),
        );
        tree.serve(&listens(&["hello/b", "hello/c", "hello/d"]).version("2.0.0"))
            .await;
        tree.until_subscribed(3).await;
        assert_eq!(tree.broker.sessions().into_keys().next(), client);
        assert_eq!(tree.broker.connections(), connections, "it stayed connected");
        tree.serve(&hello().version("3.0.0")).await;
        tree.until(|| tree.broker.sessions().is_empty()).await;
        tree.shut_down().await;
    });
}

#[test]
fn a_restart_and_a_disabled_job_keep_the_session_and_a_removed_one_does_not() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.catalogue.enable(version.job, false);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.route("/hello/x").is_none()).await;
        tree.broker.publish(&Sent::new("hello/x", "meanwhile"));
        sleep(seconds(60)).await;
        assert_eq!(tree.broker.unfinished(), 1, "the broker keeps it");
        assert_eq!(tree.mqtt_status(&version).status, Health::Unknown);
        tree.catalogue.enable(version.job, true);
        tree.handle.hint(Some(version.job));
        tree.until_finished().await;
        assert_eq!(tree.engine.events().len(), 1);

        tree.catalogue.delete(version.job);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.broker.sessions().is_empty()).await;

        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.shut_down().await;
        assert_eq!(
            tree.broker.sessions().len(),
            1,
            "the broker keeps what comes while the server is away"
        );
    });
}

#[test]
fn a_changed_variable_reconnects_that_connection_only() {
    run_paused(async {
        let tree = TestTree::start();
        let package = listens(&["hello/#"]).trigger(json!({
            "type": "mqtt", "name": "other", "topics": ["other/#"], "connection": { "host": "elsewhere" },
        }));
        let version = tree.serve(&package).await;
        tree.until_subscribed(2).await;
        let before = tree.broker.connections();
        tree.catalogue
            .set_environment(version.job, &[("PASSWORD", "new")]);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.broker.connections() > before).await;
        sleep(seconds(30)).await;
        assert_eq!(tree.broker.connections(), before + 1);
        tree.broker.publish(&Sent::new("hello/x", "still there"));
        tree.until_finished().await;
        tree.shut_down().await;
    });
}

#[test]
fn a_broker_that_is_away_is_tried_again_for_ever_and_the_status_says_why_and_since_when() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.broker.set_down(Some("connection refused"));
        tree.until(|| tree.mqtt_status(&version).status == Health::Unhealthy)
            .await;
        let since = tree.mqtt_status(&version).since;
        sleep(seconds(400)).await;
        let status = tree.mqtt_status(&version);
        assert!(status.message.contains("connection refused"), "{status:?}");
        assert_eq!(status.since, since, "since it was lost");
        tree.broker.set_down(None);
        tree.until(|| tree.mqtt_status(&version).status == Health::Healthy)
            .await;
        tree.shut_down().await;
    });
}

#[test]
fn a_package_without_a_usable_broker_says_so() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree
            .serve(&hello().trigger(json!({ "type": "mqtt", "topics": ["a"], "connection": {} })))
            .await;
        let status = tree.mqtt_status(&version);
        assert_eq!(status.status, Health::Unhealthy);
        assert!(status.message.contains("names no broker"), "{status:?}");

        let version = tree
            .serve(&hello().version("2.0.0").trigger(json!({
                "type": "mqtt", "topics": ["a"], "connection": { "hostVariable": "BROKER" },
            })))
            .await;
        let status = tree.mqtt_status(&version);
        assert!(status.message.contains("the variable BROKER"), "{status:?}");
        tree.catalogue
            .set_environment(version.job, &[("BROKER", "broker.example.org")]);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.mqtt_status(&version).status == Health::Healthy)
            .await;
        tree.shut_down().await;
    });
}

#[test]
fn a_refused_subscription_is_in_the_status() {
    run_paused(async {
        let tree = TestTree::start();
        tree.broker.refuse("hello/secret");
        let version = tree.serve(&listens(&["hello/x", "hello/secret"])).await;
        tree.until(|| tree.mqtt_status(&version).status == Health::Unhealthy)
            .await;
        let status = tree.mqtt_status(&version);
        assert!(
            status.message.contains("refused hello/secret: not authorised"),
            "{status:?}"
        );
        tree.broker.publish(&Sent::new("hello/x", "served all the same"));
        tree.until(|| tree.engine.events().len() == 1).await;
        tree.shut_down().await;
    });
}

#[test]
fn messages_of_quality_0_beyond_the_bound_are_dropped_and_counted() {
    run_paused(async {
        let mut settings = crate::testing::test_settings();
        settings.mqtt.unacked_messages = 10;
        let tree = TestTree::start_with(settings);
        let package = listens(&["hello/#"]).action(json!({
            "runnerAsynchronous": false, "runnerMaxCount": 1, "queue": { "length": 1 },
        }));
        let version = tree.serve(&package).await;
        tree.until_subscribed(1).await;
        for _ in 0..50 {
            tree.broker.publish(&Sent {
                qos: QualityOfService::AtMostOnce,
                ..Sent::new("hello/wait/1000", "maybe")
            });
        }
        tree.until_finished().await;
        tree.until(|| tree.gauge("/hello/x").running == 0).await;
        sleep(seconds(30)).await;
        let status = tree.mqtt_status(&version);
        let dropped = status.details["connections"][0]["messages"]["dropped"].as_u64();
        assert_eq!(
            dropped,
            Some(50 - tree.engine.events().len() as u64),
            "{status:?}"
        );
        assert!(dropped >= Some(30), "{status:?}");
        assert!(status.message.contains("dropped"), "{status:?}");
        tree.shut_down().await;
    });
}

#[test]
fn a_broker_that_sends_too_much_is_left_until_there_is_room() {
    run_paused(async {
        let mut settings = crate::testing::test_settings();
        settings.mqtt.unacked_bytes = 4_000;
        let tree = TestTree::start_with(settings);
        let package = listens(&["hello/#"]).action(json!({
            "runnerAsynchronous": false, "runnerMaxCount": 1, "queue": { "length": 1 },
        }));
        let version = tree.serve(&package).await;
        tree.until_subscribed(1).await;
        for _ in 0..20 {
            tree.broker
                .publish(&Sent::new("hello/wait/2000", &"x".repeat(700)));
        }
        tree.until(|| tree.mqtt_status(&version).status == Health::Unhealthy)
            .await;
        let status = tree.mqtt_status(&version);
        assert!(status.message.contains("when there is room"), "{status:?}");
        tree.until_finished().await;
        assert_eq!(
            tree.engine.events().len(),
            20,
            "nothing was lost, and nothing done twice"
        );
        tree.until(|| tree.mqtt_status(&version).status == Health::Healthy)
            .await;
        tree.shut_down().await;
    });
}

#[test]
fn crashes_of_every_actor_on_the_way_lose_no_message() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        for (number, kind) in [
            "mqtt-connection",
            "mqtt",
            "mqtt-trigger",
            "deliveries",
            "job",
            "action",
            "jobs",
        ]
        .into_iter()
        .enumerate()
        {
            for message in 0..5 {
                tree.broker
                    .publish(&Sent::new("hello/wait/500", &format!("{number}-{message}")));
            }
            tree.until(|| {
                tree.engine
                    .events()
                    .iter()
                    .any(|event| event.payload.starts_with(&format!("{number}-")))
            })
            .await;
            assert!(tree.crash(kind) > 0, "{kind}");
            tree.until_finished().await;
            tree.until(|| tree.deliveries.unfinished() == 0).await;
            for message in 0..5 {
                let payload = format!("{number}-{message}");
                assert!(
                    tree.engine.events().iter().any(|event| event.payload == payload),
                    "{kind}: {payload}"
                );
            }
        }
        assert_eq!(tree.deliveries.dead().len(), 0);
        tree.shut_down().await;
    });
}

#[test]
fn a_shutdown_finishes_and_acknowledges_what_runs_and_leaves_the_rest_to_the_broker() {
    run_paused(async {
        let tree = TestTree::start();
        let package =
            listens(&["hello/#"]).action(json!({ "runnerAsynchronous": false, "runnerMaxCount": 1 }));
        tree.serve(&package).await;
        tree.until_subscribed(1).await;
        for number in 0..500 {
            tree.broker
                .publish(&Sent::new("hello/wait/500", &number.to_string()));
        }
        tree.until(|| tree.engine.events().len() == 3).await;
        tree.shut_down().await;
        let handled = tree.engine.events().len();
        assert!(handled < 50, "{handled} were handled before it stopped");
        assert_eq!(
            tree.broker.unfinished(),
            500 - handled,
            "what was handled was acknowledged"
        );
    });
}
