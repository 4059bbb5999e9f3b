//! Several servers on one database: one of them has a session with a broker.

use jobber_kernel::testing::run_paused;
use tokio::time::sleep;

use super::{listens, seconds};
use crate::ports::LeaseState;
use crate::testing::{Sent, TestTree};
use crate::trigger::Health;

#[test]
fn a_session_that_another_server_has_is_left_to_it_until_that_one_ends() {
    run_paused(async {
        let tree = TestTree::start();
        tree.leases.set(LeaseState::Elsewhere);
        let version = tree.serve(&listens(&["hello/#"])).await;
        sleep(seconds(60)).await;
        assert_eq!(tree.broker.connections(), 0);
        let status = tree.mqtt_status(&version);
        assert_eq!(status.status, Health::Healthy, "{status:?}");
        assert!(
            status.message.contains("another server has the connection"),
            "{status:?}"
        );
        tree.leases.set(LeaseState::Held);
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/x", "taken over"));
        tree.until_finished().await;
        assert_eq!(tree.engine.events().len(), 1);
        tree.shut_down().await;
    });
}

#[test]
fn what_is_not_acknowledged_when_another_server_takes_over_is_left_to_the_broker() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.broker.publish(&Sent::new("hello/wait/5000", "one"));
        tree.until(|| tree.engine.events().len() == 1).await;
        tree.leases.set(LeaseState::Elsewhere);
        let connections = tree.broker.connections();
        sleep(seconds(60)).await;
        assert_eq!(tree.broker.connections(), connections);
        assert_eq!(
            tree.broker.unfinished(),
            1,
            "it is no longer this server's to acknowledge"
        );
        tree.leases.set(LeaseState::Held);
        tree.until_finished().await;
        assert_eq!(tree.engine.events().len(), 2, "the broker has sent it again");
        tree.shut_down().await;
    });
}

#[test]
fn the_session_of_a_removed_job_is_forgotten_when_no_other_server_has_it() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&listens(&["hello/#"])).await;
        tree.until_subscribed(1).await;
        tree.leases.set(LeaseState::Elsewhere);
        tree.catalogue.delete(version.job);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.route("/hello/x").is_none()).await;
        sleep(seconds(120)).await;
        assert_eq!(
            tree.broker.sessions().len(),
            1,
            "the other server may still work on it"
        );
        tree.leases.set(LeaseState::Held);
        tree.until(|| tree.broker.sessions().is_empty()).await;
        tree.shut_down().await;
    });
}

#[test]
fn why_it_is_not_known_who_has_a_session_is_in_the_status() {
    run_paused(async {
        let tree = TestTree::start();
        tree.leases.set(LeaseState::Unknown("connection refused".into()));
        let version = tree.serve(&listens(&["hello/#"])).await;
        tree.until(|| tree.mqtt_status(&version).status == Health::Unhealthy)
            .await;
        let status = tree.mqtt_status(&version);
        assert!(status.message.ends_with("connection refused"), "{status:?}");
        tree.leases.set(LeaseState::Held);
        tree.until(|| tree.mqtt_status(&version).status == Health::Healthy)
            .await;
        tree.shut_down().await;
    });
}
