//! One actor crashes.

use jobber_kernel::testing::run_paused;
use tokio::time::sleep;

use super::{hello, seconds, status};
use crate::invocation::{LostReason, Outcome};
use crate::testing::{Refused, TestTree};

#[test]
fn what_waits_in_the_lane_survives_its_action() {
    run_paused(async {
        let tree = TestTree::start();
        tree.engine.next(crate::testing::RunnerScript {
            start: crate::testing::StartScript::Takes(seconds(5)),
            ..Default::default()
        });
        tree.serve(&hello()).await;
        let call = tree.send("/hello/x").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").waiting == 1).await;
        assert_eq!(tree.crash("action"), 1);
        assert_eq!(status(&call.outcome().await), 200);
        tree.shut_down().await;
    });
}

#[test]
fn what_runs_when_its_action_or_its_runners_actor_crashes_is_answered() {
    run_paused(async {
        for kind in ["action", "runner"] {
            let tree = TestTree::start();
            tree.serve(&hello()).await;
            tree.until_runners("/hello/x", 1).await;
            let call = tree.send("/hello/wait/20000").expect("admitted");
            tree.until(|| tree.gauge("/hello/x").running == 1).await;
            assert_eq!(tree.crash(kind), 1);
            let outcome = call.outcome().await;
            assert!(
                matches!(outcome, Outcome::Lost(_) | Outcome::Failed(_)),
                "{kind}: {outcome:?}"
            );
            assert_eq!(
                tree.get("/hello/x").await,
                "hello",
                "after the crash of the {kind}"
            );
            tree.until(|| tree.engine.counts().live == 1).await;
            tree.shut_down().await;
        }
    });
}

#[test]
fn the_crash_of_what_no_call_passes_through_disturbs_no_call() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        tree.until_runners("/hello/x", 1).await;
        for kind in [
            "gateway",
            "http-trigger",
            "log-sink",
            "engine",
            "runner-manager",
            "admin",
            "pool",
        ] {
            let call = tree.send("/hello/wait/3000").expect("admitted");
            assert_eq!(tree.crash(kind), 1, "{kind}");
            assert_eq!(tree.get("/hello/x").await, "hello", "while the {kind} restarts");
            assert_eq!(status(&call.outcome().await), 200, "while the {kind} restarts");
        }
        assert_eq!(tree.engine.counts().asked, 1);
        tree.shut_down().await;
    });
}

#[test]
fn while_a_job_or_the_reconciler_restarts_its_callers_are_told_to_come_back() {
    run_paused(async {
        for kind in ["job", "jobs"] {
            let tree = TestTree::start();
            tree.serve(&hello()).await;
            tree.until_runners("/hello/x", 1).await;
            assert_eq!(tree.crash(kind), 1);
            for _ in 0..200 {
                match tree.send("/hello/x") {
                    Ok(call) => drop(call.outcome().await),
                    Err(refused) => assert_ne!(refused, Refused::NoRoute, "after the crash of the {kind}"),
                }
                sleep(std::time::Duration::from_millis(20)).await;
            }
            assert_eq!(
                tree.get("/hello/x").await,
                "hello",
                "after the crash of the {kind}"
            );
            tree.shut_down().await;
        }
    });
}

#[test]
fn a_lane_whose_action_is_stopped_while_it_waits_for_its_restart_answers() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&hello()).await;
        for _ in 0..8 {
            assert!(tree.crash("action") <= 1);
            sleep(seconds(1)).await;
        }
        // It waits for its restart now, for seconds; what is sent waits in its mailbox or its lane.
        let call = tree.send("/hello/x").expect("admitted");
        tree.catalogue.delete(version.job);
        tree.handle.hint(None);
        let outcome = call.outcome().await;
        assert!(
            matches!(
                outcome,
                Outcome::Refused(_) | Outcome::Lost(LostReason::Dropped) | Outcome::Responded { .. }
            ),
            "{outcome:?}"
        );
        tree.shut_down().await;
    });
}

#[test]
fn lines_that_were_written_before_the_log_sink_crashed_are_kept() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        for _ in 0..5 {
            drop(tree.call("/hello/throw").await);
            // In the middle of a batch.
            sleep(std::time::Duration::from_millis(50)).await;
            assert_eq!(tree.crash("log-sink"), 1);
        }
        let thrown = || {
            tree.logs
                .messages()
                .iter()
                .filter(|line| line.starts_with("Error: it threw"))
                .count()
        };
        tree.until(|| thrown() == 5).await;
        tree.shut_down().await;
    });
}
