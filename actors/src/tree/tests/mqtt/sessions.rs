//! Sessions over deploys, variables and lost connections, and what is said about them.

use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::sleep;

use super::{hello, listens, seconds};
use crate::testing::{Sent, TestTree};
use crate::trigger::Health;

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
fn a_disabled_job_that_comes_back_with_other_filters_gives_the_old_ones_up() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&listens(&["hello/+", "hello/a/b"])).await;
        tree.until_subscribed(2).await;
        tree.catalogue.enable(version.job, false);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.route("/hello/x").is_none()).await;
        let next = tree.catalogue.publish(&listens(&["hello/#"]).version("2.0.0"));
        tree.catalogue.activate(&next);
        tree.catalogue.enable(version.job, true);
        tree.handle.hint(Some(version.job));
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/x", "once"));
        tree.until_finished().await;
        assert_eq!(tree.engine.events().len(), 1);
        tree.shut_down().await;
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
