//! Up to where a schedule has been dealt with.

use chrono::{TimeDelta, Utc};
use jobber::store::{JobPatch, JobStatus};
use jobber_actors::domain::TriggerId;
use jobber_actors::manifest::Overlap;
use jobber_actors::ports::ScheduleStore;

use super::{Schedules, at, package, record};

#[tokio::test]
async fn a_cursor_goes_forward_only_and_begins_anew_with_another_schedule() {
    let s = Schedules::new("allow").await;
    assert_eq!(
        s.begin("minutely", 10).await,
        at(10),
        "a new trigger has missed nothing"
    );
    assert_eq!(s.begin("minutely", 20).await, at(10), "a known one may have");
    record(&s.queue.one, &s.fires([30], Overlap::Allow)).await;
    record(&s.queue.two, &s.fires([12], Overlap::Allow)).await;
    assert_eq!(s.begin("minutely", 40).await, at(30));
    assert_eq!(s.begin("hourly", 50).await, at(50), "its instants are others now");
    assert_eq!(
        s.begin("minutely", 45).await,
        at(50),
        "and a clock that is behind does not turn it back"
    );
    let gone = [(TriggerId::generate(), "minutely".to_owned())];
    assert_eq!(s.queue.one.schedules.begin(&gone, at(0)).await.unwrap(), []);
    assert_eq!(s.queue.one.schedules.begin(&[], at(0)).await.unwrap(), []);
}

#[tokio::test]
async fn what_passed_while_a_job_was_disabled_was_not_missed() {
    let s = Schedules::new("allow").await;
    let set = async |status| {
        let patch = JobPatch {
            status: Some(status),
            description: None,
        };
        s.queue.publishing.jobs.update(s.job, &patch).await.unwrap();
    };
    s.begin("minutely", 0).await;
    set(JobStatus::Enabled).await;
    assert_eq!(s.begin("minutely", 60).await, at(0), "it was enabled already");
    set(JobStatus::Disabled).await;
    assert_eq!(s.begin("minutely", 60).await, at(0));
    let before = Utc::now() - TimeDelta::seconds(1);
    set(JobStatus::Enabled).await;
    assert!(s.begin("minutely", 60).await > before);
}

#[tokio::test]
async fn a_trigger_that_was_away_for_a_version_begins_anew() {
    let s = Schedules::new("allow").await;
    let publish = async |version, schedules: &[(&str, &str)]| {
        s.queue
            .publishing
            .publish(&package(version, schedules))
            .await
            .unwrap();
    };
    s.begin("minutely", 0).await;
    publish("2", &[("other", "allow"), ("tick", "skip")]).await;
    assert_eq!(
        s.begin("minutely", 60).await,
        at(0),
        "it goes on from version to version"
    );
    publish("3", &[("other", "allow")]).await;
    publish("4", &[("other", "allow"), ("tick", "allow")]).await;
    assert_eq!(
        s.begin("minutely", 60).await,
        at(60),
        "it was switched off on purpose"
    );
}
