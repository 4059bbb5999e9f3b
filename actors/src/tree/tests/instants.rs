//! Schedules: instants that fire, overlap, are missed, and are tried again.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use jobber_kernel::testing::run_paused;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{hello, seconds};
use crate::domain::{JobVersion, TriggerId};
use crate::ports::{InvocationRecord, InvocationStatus, MissReason};
use crate::testing::{FakePackage, TestTree, test_settings};
use crate::trigger::{Health, TriggerSort};

/// A package with a schedule whose name says what the handler does.
fn fires(name: &str, cron: &str, more: Value) -> FakePackage {
    let mut trigger = json!({ "type": "schedule", "name": name, "cron": cron });
    if let (Some(trigger), Value::Object(more)) = (trigger.as_object_mut(), more) {
        trigger.extend(more);
    }
    hello().trigger(trigger)
}

fn trigger_of(version: &Arc<JobVersion>) -> TriggerId {
    version.triggers[1].id
}

impl TestTree {
    fn fired(&self) -> Vec<String> {
        self.engine
            .events()
            .into_iter()
            .map(|event| event.about)
            .collect()
    }
}

/// What is recorded of instants that came to this.
fn recorded(tree: &TestTree, status: InvocationStatus) -> Vec<InvocationRecord> {
    let mut records = tree.invocations.records();
    records.retain(|record| record.status == status);
    records
}

#[test]
fn every_instant_starts_the_function_once_and_says_which_it_is() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&fires("done", "*/10 * * * * *", json!({}))).await;
        tree.until(|| tree.fired().len() == 4).await;
        let seconds: Vec<String> = tree.fired().iter().map(|at| at[17..].to_owned()).collect();
        let begin = seconds.iter().position(|second| second == "10.000Z");
        assert!(
            begin.is_some() || seconds.contains(&"00.000Z".to_owned()),
            "{seconds:?}"
        );
        for (one, next) in tree.fired().iter().zip(tree.fired().iter().skip(1)) {
            assert!(one < next, "{:?}", tree.fired());
        }
        let status = tree
            .handle
            .trigger_status(trigger_of(&version), TriggerSort::Schedule);
        assert_eq!(status.status, Health::Healthy);
        assert!(status.details["next"].is_string(), "{status:?}");
        tree.until(|| tree.deliveries.unfinished() == 0).await;
        tree.shut_down().await;
    });
}

/// Waits until a moment before the next minute, when its instant is recorded and not due. Gives the instant.
async fn shortly_before_the_minute() -> DateTime<Utc> {
    let now = test_settings().clock.now();
    let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap() + TimeDelta::minutes(2);
    sleep((minute - now - TimeDelta::milliseconds(200)).to_std().unwrap()).await;
    minute
}

#[test]
fn an_instant_is_recorded_before_it_is_due_and_starts_the_function_when_it_is() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&fires("done", "0 * * * * *", json!({}))).await;
        shortly_before_the_minute().await;
        let before = tree.fired().len();
        assert_eq!(tree.deliveries.unfinished(), 1, "it is recorded");
        // The Scheduler that has it handed over may be another one than has recorded it.
        assert!(tree.crash("scheduler") > 0);
        sleep(Duration::from_millis(190)).await;
        assert_eq!(tree.fired().len(), before, "it is not due");
        sleep(Duration::from_millis(100)).await;
        assert_eq!(tree.fired().len(), before + 1);
        sleep(seconds(50)).await;
        assert_eq!(tree.fired().len(), before + 1, "once");
        tree.shut_down().await;
    });
}

#[test]
fn a_server_that_stops_still_has_the_instant_that_it_has_recorded() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&fires("done", "0 * * * * *", json!({}))).await;
        shortly_before_the_minute().await;
        let before = tree.fired().len();
        tree.shut_down().await;
        assert_eq!(tree.fired().len(), before + 1);
        assert_eq!(tree.deliveries.unfinished(), 0);
    });
}

#[test]
fn an_instant_of_a_job_that_is_disabled_before_it_is_due_was_never_due() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&fires("done", "0 * * * * *", json!({}))).await;
        shortly_before_the_minute().await;
        let before = tree.fired().len();
        assert_eq!(tree.deliveries.unfinished(), 1);
        tree.catalogue.enable(version.job, false);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.deliveries.unfinished() == 0).await;
        tree.catalogue.enable(version.job, true);
        tree.handle.hint(Some(version.job));
        sleep(seconds(30)).await;
        assert_eq!(tree.fired().len(), before);
        tree.shut_down().await;
    });
}

#[test]
fn the_next_instant_is_shown_until_it_has_come() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&fires("done", "0 * * * * *", json!({}))).await;
        let minute = shortly_before_the_minute().await;
        assert_eq!(tree.deliveries.unfinished(), 1, "it is recorded");
        let shown = || {
            let status = tree
                .handle
                .trigger_status(trigger_of(&version), TriggerSort::Schedule);
            status.details["next"].as_str().unwrap().parse::<DateTime<Utc>>()
        };
        assert_eq!(shown().unwrap(), minute);
        sleep(Duration::from_millis(300)).await;
        assert_eq!(shown().unwrap(), minute + TimeDelta::minutes(1));
        tree.shut_down().await;
    });
}

#[test]
fn whether_an_instant_overlaps_is_known_when_it_is_due() {
    run_paused(async {
        let tree = TestTree::start();
        let package = fires("wait.9800", "*/10 * * * * *", json!({ "overlap": "skip" }));
        tree.serve(&package).await;
        sleep(seconds(61)).await;
        assert!(tree.fired().len() >= 6, "{:?}", tree.fired());
        assert_eq!(tree.deliveries.skipped(), []);
        tree.shut_down().await;
    });
}

#[test]
fn a_deploy_goes_on_with_the_next_instant_and_a_disabled_job_misses_none() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&fires("done", "*/10 * * * * *", json!({}))).await;
        tree.until(|| tree.fired().len() == 2).await;
        tree.serve(&fires("done", "*/10 * * * * *", json!({})).version("2.0.0"))
            .await;
        tree.until(|| tree.fired().len() == 4).await;
        tree.catalogue.enable(version.job, false);
        tree.handle.hint(Some(version.job));
        tree.until(|| tree.route("/hello/x").is_none()).await;
        let before = tree.fired().len();
        sleep(seconds(100)).await;
        assert_eq!(tree.fired().len(), before);
        tree.shut_down().await;
    });
}

#[test]
fn instants_that_overlap_run_are_left_out_or_wait_as_the_package_says() {
    for (overlap, expected) in [("allow", 7..=9), ("skip", 3..=5), ("queue", 3..=5)] {
        run_paused(async {
            let tree = TestTree::start();
            let package = fires("wait.15000", "*/10 * * * * *", json!({ "overlap": overlap }));
            let version = tree.serve(&package).await;
            sleep(seconds(81)).await;
            let fired = tree.fired().len();
            assert!(expected.contains(&fired), "{overlap}: {fired}");
            let skipped = tree.deliveries.skipped();
            assert_eq!(overlap == "skip", !skipped.is_empty(), "{overlap}: {skipped:?}");
            assert!(skipped.iter().all(|(_, reason)| *reason == MissReason::Overlap));
            assert_eq!(recorded(&tree, InvocationStatus::Skipped).len(), skipped.len());
            if overlap == "queue" {
                let waiting = tree.deliveries.unfinished();
                assert!(waiting >= 3, "{waiting} wait");
                tree.serve(&hello().version("2.0.0")).await;
                tree.until(|| tree.deliveries.unfinished() == 0).await;
                assert_eq!(
                    tree.fired().len(),
                    fired + waiting - usize::from(fired > 0),
                    "none was lost"
                );
            }
            drop(version);
            tree.shut_down().await;
        });
    }
}

#[test]
fn instants_missed_while_the_server_was_down_are_made_up_for_as_the_package_says() {
    for (catch_up, made_up, missed) in [("none", 0, 60), ("last", 1, 59), ("all", 60, 0)] {
        run_paused(async {
            let tree = TestTree::start();
            let package = fires("done", "30 * * * * *", json!({ "catchUp": catch_up }));
            let version = tree.catalogue.publish(&package);
            let now = test_settings().clock.now();
            let an_hour_ago = now - TimeDelta::hours(1);
            tree.deliveries
                .set_cursor(trigger_of(&version), "UTC 30 * * * * *", an_hour_ago);
            tree.activate(&version).await;
            sleep(seconds(15)).await;
            assert_eq!(tree.fired().len(), made_up, "{catch_up}");
            let gaps = tree.deliveries.gaps();
            let counted: u32 = gaps.iter().map(|gap| gap.instants).sum();
            assert_eq!(counted, missed, "{catch_up}: {gaps:?}");
            assert!(
                gaps.iter().all(|gap| gap.reason == MissReason::NotRunning),
                "{gaps:?}"
            );
            // Many in a row are one record, which says how many.
            let records = recorded(&tree, InvocationStatus::Missed);
            assert_eq!(records.len(), gaps.len(), "{records:?}");
            for record in &records {
                let error = record.error.as_ref().expect("it has a reason");
                assert_eq!(error.code, "not-running");
                assert!(
                    error.message.starts_with(&format!("{missed} instants")),
                    "{error:?}"
                );
            }
            tree.shut_down().await;
        });
    }
}

#[test]
fn an_instant_whose_handler_fails_is_tried_again_and_then_a_dead_letter() {
    run_paused(async {
        let tree = TestTree::start();
        let retries = json!({ "retries": { "max": 2, "backoff": 5 } });
        tree.serve(&fires("throw", "0 1 * * * *", json!({})).action(retries))
            .await;
        tree.until(|| tree.deliveries.dead().len() == 1).await;
        let attempts: Vec<u64> = tree.engine.events().iter().map(|event| event.attempt).collect();
        assert_eq!(attempts, [1, 2, 3]);
        tree.shut_down().await;
    });
}

#[test]
fn a_record_that_is_away_delays_instants_and_loses_none_that_were_due_before() {
    run_paused(async {
        let tree = TestTree::start();
        let version = tree.serve(&fires("done", "0 * * * * *", json!({}))).await;
        tree.until(|| tree.fired().len() == 1).await;
        tree.deliveries.fail(true);
        sleep(seconds(62)).await;
        let status = tree
            .handle
            .trigger_status(trigger_of(&version), TriggerSort::Schedule);
        assert_eq!(status.status, Health::Unhealthy, "{status:?}");
        tree.deliveries.fail(false);
        tree.until(|| tree.fired().len() == 2).await;
        sleep(seconds(120)).await;
        let fired = tree.fired();
        assert_eq!(fired.len(), 4, "{fired:?}");
        tree.shut_down().await;
    });
}

#[test]
fn crashes_of_the_actors_of_schedules_fire_no_instant_twice_and_leave_none_out() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&fires("done", "*/5 * * * * *", json!({}))).await;
        for kind in ["scheduler", "schedule-trigger", "deliveries", "job", "jobs"] {
            let before = tree.fired().len();
            tree.until(|| tree.fired().len() > before).await;
            assert!(tree.crash(kind) > 0, "{kind}");
        }
        let before = tree.fired().len();
        tree.until(|| tree.fired().len() >= before + 3).await;
        tree.shut_down().await;
        let fired = tree.fired();
        let mut once = fired.clone();
        once.dedup();
        assert_eq!(once, fired, "each once, in order");
        let first = DateTime::parse_from_rfc3339(&fired[0]).unwrap();
        let last = DateTime::parse_from_rfc3339(&fired[fired.len() - 1]).unwrap();
        assert_eq!(
            (last - first).num_seconds() / 5 + 1,
            fired.len() as i64,
            "{fired:?}"
        );
    });
}

#[test]
fn a_thousand_schedules_cost_one_timer() {
    run_paused(async {
        let tree = TestTree::start();
        let mut package = hello();
        for number in 0..999 {
            let cron = format!("{} {} 3 * * *", number % 60, number % 59);
            package =
                package.trigger(json!({ "type": "schedule", "name": format!("n{number}"), "cron": cron }));
        }
        tree.serve(&package).await;
        sleep(seconds(3)).await;
        let snapshot = tree.handle.snapshot().await;
        let text = serde_json::to_value(&snapshot).unwrap().to_string();
        assert!(text.contains("\"schedules\":999"), "all are tracked");
        assert!(tree.fired().is_empty());
        tree.shut_down().await;
    });
}

#[test]
fn instants_are_counted_by_job_with_how_late_they_were() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&fires("done", "*/10 * * * * *", json!({}))).await;
        tree.until(|| tree.fired().len() == 4).await;
        let tally = || {
            let jobs = tree.handle.tallies().all();
            let (_, tally) = jobs.first().expect("there is one job");
            Arc::clone(tally)
        };
        // The last one may have been handed over a moment before it was counted.
        tree.until(|| tally().instants().lateness().count() >= 4).await;
        let [fired, skipped, missed] = tally().instants().counts();
        assert!(fired.1 >= 4, "{fired:?}");
        assert_eq!((skipped, missed), (("skipped", 0), ("missed", 0)));
        let late = tally().instants().lateness().percentile(1.0);
        assert!(late.expect("there are some") <= seconds(1), "{late:?}");
        tree.shut_down().await;
    });
}
