//! Log lines, from a handler to the store.

use std::time::Duration;

use jobber_kernel::testing::run_paused;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{hello, seconds};
use crate::domain::JobId;
use crate::ports::{LogLine, OutputStream};
use crate::sink::RingLimits;
use crate::testing::{TestTree, log_line, test_settings};
use crate::tree::TreeSettings;

fn push(tree: &TestTree, job: JobId, lines: std::ops::Range<u32>) {
    for number in lines {
        tree.handle.logs().push(log_line(job, number.to_string()));
    }
}

fn numbers(lines: std::ops::Range<u32>) -> Vec<String> {
    lines.map(|number| number.to_string()).collect()
}

#[test]
fn lines_that_come_together_are_kept_together_and_in_order() {
    run_paused(async {
        let tree = TestTree::start();
        let job = JobId::generate();
        push(&tree, job, 0..1000);
        tree.until(|| tree.logs.lines().len() == 1000).await;
        assert_eq!(tree.logs.messages(), numbers(0..1000));
        assert_eq!(tree.logs.batches(), 1);
        push(&tree, job, 1000..12_000);
        tree.until(|| tree.logs.lines().len() == 12_000).await;
        assert_eq!(tree.logs.batches(), 4, "a batch has at most 5,000 lines");
        tree.shut_down().await;
    });
}

#[test]
fn a_store_that_does_not_keep_lines_is_noted_until_it_does() {
    run_paused(async {
        let tree = TestTree::start();
        let trouble = || tree.handle.log_store_trouble();
        let job = JobId::generate();
        push(&tree, job, 0..1);
        tree.until(|| tree.logs.batches() == 1).await;
        assert_eq!(trouble(), None);

        tree.logs.fail(2);
        push(&tree, job, 1..2);
        tree.until(|| trouble().is_some_and(|said| said.contains("a test wants it so")))
            .await;
        tree.until(|| tree.logs.batches() == 2).await;
        tree.until(|| trouble().is_none()).await;

        tree.logs.hang(true);
        push(&tree, job, 2..3);
        tree.until(|| trouble().is_some_and(|said| said.contains("no answer for")))
            .await;
    });
}

#[test]
fn a_store_that_fails_for_a_while_loses_nothing_and_repeats_nothing() {
    run_paused(async {
        let tree = TestTree::start();
        tree.logs.fail(5);
        let job = JobId::generate();
        push(&tree, job, 0..10);
        sleep(seconds(2)).await;
        push(&tree, job, 10..20);
        tree.until(|| tree.logs.lines().len() == 20).await;
        assert_eq!(tree.logs.messages(), numbers(0..20));
        tree.shut_down().await;
    });
}

#[test]
fn a_store_that_goes_on_failing_costs_a_batch_and_is_counted() {
    run_paused(async {
        let tree = TestTree::start();
        tree.logs.fail(8);
        push(&tree, JobId::generate(), 0..10);
        sleep(seconds(60)).await;
        let job = JobId::generate();
        push(&tree, job, 10..20);
        tree.until(|| tree.logs.lines().len() == 10).await;
        let snapshot = tree.handle.snapshot().await;
        let sink = snapshot.find("/root/log-sink").expect("it is there");
        assert_eq!(sink.observed["lostBatches"], 1);
        tree.shut_down().await;
    });
}

#[test]
fn a_store_that_is_out_of_reach_is_waited_for() {
    run_paused(async {
        let tree = TestTree::start();
        let job = JobId::generate();
        tree.logs.be_unreachable(60);
        push(&tree, job, 0..10);
        sleep(seconds(300)).await;
        push(&tree, job, 10..20);
        sleep(seconds(600)).await;
        tree.until(|| tree.logs.lines().len() == 20).await;
        assert_eq!(tree.logs.messages(), numbers(0..20));
        tree.shut_down().await;
    });
}

#[test]
fn what_is_dropped_for_want_of_room_is_told_to_its_job() {
    run_paused(async {
        let tree = TestTree::start_with(TreeSettings {
            log_ring: RingLimits {
                total_bytes: 100_000,
                job_bytes: 5_000,
            },
            ..test_settings()
        });
        tree.logs.hang(true);
        push(&tree, JobId::generate(), 0..1);
        sleep(seconds(1)).await;
        let (loud, quiet) = (JobId::generate(), JobId::generate());
        push(&tree, loud, 0..100);
        push(&tree, quiet, 0..3);
        assert!(tree.handle.log_gauge().dropped > 50);
        assert_eq!(tree.crash("log-sink"), 1);
        tree.logs.hang(false);
        let kept = || tree.logs.lines().iter().filter(|line| line.job == quiet).count();
        tree.until(|| kept() == 3).await;
        let told = |line: &LogLine| line.job == loud && line.message.contains("log lines were dropped");
        tree.until(|| tree.logs.lines().iter().any(told)).await;
        tree.shut_down().await;
    });
}

#[test]
fn what_waits_when_the_server_stops_is_kept_first() {
    run_paused(async {
        let tree = TestTree::start();
        tree.until(|| tree.handle.is_ready()).await;
        tree.logs.fail(2);
        push(&tree, JobId::generate(), 0..10);
        tree.shut_down().await;
        assert_eq!(tree.logs.messages(), numbers(0..10));
    });
}

#[test]
fn a_store_that_hangs_does_not_hold_up_the_end_for_long() {
    run_paused(async {
        let tree = TestTree::start();
        tree.serve(&hello()).await;
        tree.logs.hang(true);
        push(&tree, JobId::generate(), 0..10);
        sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        tree.shut_down().await;
        assert!(began.elapsed() < seconds(10), "{:?}", began.elapsed());
    });
}

/// Jobber's own words about jobs, as `event: message`.
fn told(tree: &TestTree) -> Vec<String> {
    let lines = tree.logs.lines().into_iter();
    lines
        .filter(|line| line.stream == OutputStream::System)
        .map(|line| {
            let fields = line.fields.unwrap_or_default();
            format!(
                "{}: {}",
                fields["event"].as_str().unwrap_or_default(),
                line.message
            )
        })
        .collect()
}

async fn until_told(tree: &TestTree, expected: &str) {
    tree.until(|| told(tree).iter().any(|line| line == expected))
        .await;
}

#[test]
fn which_version_serves_is_a_line_of_the_job() {
    run_paused(async {
        let tree = TestTree::start();
        let first = tree.serve(&hello()).await;
        until_told(&tree, "deployed: version 1.0.0 serves").await;
        tree.serve(&hello().version("2.0.0")).await;
        until_told(&tree, "deployed: version 2.0.0 serves now, and 1.0.0 no more").await;
        tree.catalogue.enable(first.job, false);
        tree.handle.hint(Some(first.job));
        until_told(&tree, "withdrawn: version 2.0.0 serves no more").await;
        let lines = tree.logs.lines();
        let line = lines.iter().find(|line| line.message == "version 1.0.0 serves");
        assert_eq!(line.and_then(|line| line.version), Some(first.id));
        tree.shut_down().await;
    });
}

#[test]
fn runners_that_come_and_go_and_that_are_lost_are_told() {
    run_paused(async {
        let tree = TestTree::start();
        let action = json!({ "runnerMinCount": 2, "runnerMaxCount": 2, "runnerAsynchronous": false });
        tree.serve(&hello().action(action)).await;
        tree.until_runners("/hello/x", 2).await;
        until_told(&tree, "scaled-up: 2 runners are started").await;
        let lost = tree.engine.live()[0];
        tree.engine.kill(lost);
        tree.until(|| {
            let lines = tree.logs.lines();
            let of_lost = lines.iter().filter(|line| line.runner == Some(lost));
            of_lost.filter(|line| line.stream == OutputStream::System).count() == 1
        })
        .await;
        assert!(
            told(&tree)
                .iter()
                .any(|line| line.starts_with("runner-lost: the runner")),
            "{:?}",
            told(&tree)
        );
        until_told(&tree, "scaled-up: 1 runner is started").await;
        // The version is replaced: its runners go, those of the next one come.
        tree.serve(&hello().version("2.0.0")).await;
        until_told(&tree, "scaled-down: 2 runners are ended").await;
        tree.shut_down().await;
    });
}

#[test]
fn a_burst_of_refusals_is_one_line() {
    run_paused(async {
        let tree = TestTree::start();
        let action =
            json!({ "runnerAsynchronous": false, "runnerMaxCount": 1, "queue": { "length": 1, "wait": 3 } });
        tree.serve(&hello().action(action)).await;
        tree.until_runners("/hello/x", 1).await;
        let running = tree.send("/hello/wait/20000").expect("admitted");
        tree.until(|| tree.gauge("/hello/x").running == 1).await;
        let waiting = tree.send("/hello/x").expect("admitted");
        for _ in 0..200 {
            assert!(tree.send("/hello/x").is_err());
        }
        until_told(&tree, "refused: 200 calls were refused: the queue is full").await;
        drop(waiting.outcome().await);
        until_told(
            &tree,
            "refused: 1 call was refused: they waited too long for a runner",
        )
        .await;
        drop(running);
        tree.shut_down().await;
    });
}
