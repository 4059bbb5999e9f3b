//! Log lines, from a handler to the store.

use std::time::Duration;

use jobber_kernel::testing::run_paused;
use tokio::time::{Instant, sleep};

use super::{hello, seconds};
use crate::domain::JobId;
use crate::ports::LogLine;
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
