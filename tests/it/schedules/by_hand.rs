//! Runs that a person asks for.

use jobber::store::{JobPatch, JobStatus, ManualRun};
use jobber_actors::domain::TriggerId;
use jobber_actors::manifest::Overlap;
use jobber_actors::ports::Verdict;

use super::{Schedules, package, record};
use crate::support::queue::ids;

#[tokio::test]
async fn a_run_by_hand_is_due_now_and_waits_its_turn_where_runs_must_not_overlap() {
    let s = Schedules::new("queue").await;
    let first = record(&s.queue.one, &s.fires([0], Overlap::Queue)).await;
    let ManualRun::Started(invocation) = s.fires.run_now(s.job, s.tick).await.unwrap() else {
        panic!("it should start");
    };
    let ManualRun::Started(second) = s.fires.run_now(s.job, s.tick).await.unwrap() else {
        panic!("it should start");
    };
    assert_eq!(s.queue.one.claim(s.job, 5).await.len(), 0);
    s.queue.one.settle(&first.claimed[0], Verdict::Done).await;
    let claimed = s.queue.two.claim(s.job, 5).await;
    assert_eq!(ids(&claimed), [invocation]);
    let history = s.history().await;
    assert_eq!(history[0].invocation_id, Some(second));
    assert!(history[0].manual && history[1].manual && !history[2].manual);
    assert_eq!(
        history[1].at.timestamp_subsec_nanos() % 1_000_000,
        0,
        "whole milliseconds"
    );
    assert!(history[0].at > history[1].at);
    let name = s.fires.find_trigger(s.job, "tick").await.unwrap().unwrap();
    assert_eq!((name.id, name.kind.as_str()), (s.tick, "schedule"));
}

#[tokio::test]
async fn only_an_active_schedule_of_an_enabled_job_is_run_by_hand() {
    let s = Schedules::new("skip").await;
    let run = async |trigger| s.fires.run_now(s.job, trigger).await.unwrap();
    let disable = |status| JobPatch {
        status: Some(status),
        description: None,
    };
    s.queue
        .publishing
        .jobs
        .update(s.job, &disable(JobStatus::Disabled))
        .await
        .unwrap();
    assert_eq!(run(s.tick).await, ManualRun::Disabled);
    s.queue
        .publishing
        .jobs
        .update(s.job, &disable(JobStatus::Enabled))
        .await
        .unwrap();
    assert!(matches!(run(s.tick).await, ManualRun::Started(_)));
    s.queue
        .publishing
        .publish(&package("2", &[("other", "allow")]))
        .await
        .unwrap();
    assert_eq!(run(s.tick).await, ManualRun::NotActive);
    assert_eq!(run(TriggerId::generate()).await, ManualRun::Gone);
    assert_eq!(
        s.fires.run_now(s.queue.job, s.tick).await.unwrap(),
        ManualRun::Gone,
        "another job's"
    );
}
