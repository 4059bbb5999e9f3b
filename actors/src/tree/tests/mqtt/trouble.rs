//! Too much, too slow, broken or gone: no message is lost.

use std::time::Duration;

use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::sleep;

use super::{hello, listens, seconds};
use crate::manifest::QualityOfService;
use crate::testing::{LoadScript, RunnerScript, Sent, TestTree, test_settings};
use crate::trigger::Health;

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
        let broken = RunnerScript {
            load: LoadScript::Rejects("no such module".into()),
            ..RunnerScript::default()
        };
        tree.engine.script(broken);
        assert!(tree.engine.kill(tree.engine.live()[0]));
        tree.until_runners("/hello/x", 0).await;
        tree.broker.publish(&Sent::new("hello/x", "waits"));
        sleep(seconds(120)).await;
        assert_eq!((tree.broker.unfinished(), tree.engine.events().len()), (1, 0));
        tree.engine.script(RunnerScript::default());
        tree.until_finished().await;
        assert_eq!(tree.engine.events().len(), 1);
        tree.shut_down().await;
    });
}

#[test]
fn messages_of_quality_0_beyond_the_bound_are_dropped_and_counted() {
    run_paused(async {
        let mut settings = test_settings();
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
        let mut settings = test_settings();
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
        tree.until(|| tree.mqtt_status(&version).message.contains("when there is room"))
            .await;
        let held_back = tree.mqtt_status(&version);
        assert_eq!(held_back.status, Health::Healthy, "{held_back:?}");
        tree.until_finished().await;
        assert_eq!(
            tree.engine.events().len(),
            20,
            "nothing was lost, and nothing done twice"
        );
        tree.until(|| tree.mqtt_status(&version).message.ends_with(": connected"))
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

#[test]
fn a_message_that_fails_during_a_shutdown_is_kept_and_holds_no_other_up() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/throw/500", "fails"));
        tree.broker.publish(&Sent::new("hello/wait/600", "succeeds"));
        tree.until(|| tree.engine.events().len() == 2).await;
        let began = tokio::time::Instant::now();
        tree.shut_down().await;
        assert!(began.elapsed() < seconds(5), "{:?}", began.elapsed());
        assert_eq!(tree.deliveries.dead().len(), 1);
        assert_eq!(tree.broker.unfinished(), 0, "both were acknowledged");
    });
}

#[test]
fn a_broker_of_version_5_is_told_to_send_no_more_than_the_action_can_take() {
    run_paused(async {
        let tree = TestTree::start();
        let package = hello()
            .trigger(json!({
                "type": "mqtt", "name": "messages", "topics": ["hello/#"], "version": "5",
                "connection": { "host": "broker" },
            }))
            .action(json!({ "runnerAsynchronous": false, "runnerMaxCount": 2, "queue": { "length": 6 } }));
        let version = tree.serve(&package).await;
        tree.until_subscribed(1).await;
        for number in 0..40 {
            tree.broker
                .publish(&Sent::new("hello/wait/500", &number.to_string()));
        }
        let mut most = 0;
        while tree.broker.unfinished() > 0 {
            let open = tree.mqtt_status(&version).details["connections"][0]["open"].as_u64();
            most = most.max(open.unwrap_or(0));
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(most, 5, "two at work, three in the action's queue");
        assert_eq!(tree.engine.events().len(), 40);
        tree.shut_down().await;
    });
}
