//! Instants of schedules: what becomes of them, once each, whoever records them.

mod by_hand;
mod cursors;
mod instants;
mod overlap;

use chrono::{DateTime, TimeDelta, Utc};
use jobber::publish::Published;
use jobber::store::{FireFilter, FireStore, Listing, QueueLimits, StoredFire};
use jobber_actors::domain::{InvocationId, JobId, TriggerId};
use jobber_actors::manifest::Overlap;
use jobber_actors::ports::{Fire, Fired, Gap, MissReason, ScheduleStore};
use serde_json::json;

use crate::support::Package;
use crate::support::queue::{LEASE, QueueFixture, QueueServer};

/// A job with a schedule named `tick`.
struct Schedules {
    queue: QueueFixture,
    fires: FireStore,
    job: JobId,
    tick: TriggerId,
}

fn package(version: &str, schedules: &[(&str, &str)]) -> Package {
    let triggers: Vec<_> = schedules
        .iter()
        .map(|(name, overlap)| json!({"type": "schedule", "name": name, "cron": "* * * * *", "overlap": overlap}))
        .collect();
    Package::new("scheduled", version).with("triggers", triggers)
}

impl Schedules {
    async fn new(overlap: &str) -> Self {
        Self::limited(overlap, QueueLimits::default()).await
    }

    async fn limited(overlap: &str, limits: QueueLimits) -> Self {
        let queue = QueueFixture::limited(limits).await;
        let Published { job_id, triggers, .. } = queue
            .publishing
            .publish(&package("1", &[("tick", overlap)]))
            .await
            .unwrap();
        Self {
            fires: FireStore::new(queue.publishing.db.database.clone(), limits),
            queue,
            job: job_id,
            tick: triggers[0].id,
        }
    }

    fn fire(&self, minute: i64, overlap: Overlap) -> Fire {
        Fire {
            job: self.job,
            trigger: self.tick,
            trigger_name: Some("tick".into()),
            at: at(minute),
            invocation: InvocationId::generate(),
            overlap,
        }
    }

    fn fires(&self, minutes: impl IntoIterator<Item = i64>, overlap: Overlap) -> Vec<Fire> {
        minutes
            .into_iter()
            .map(|minute| self.fire(minute, overlap))
            .collect()
    }

    fn gap(&self, first: i64, last: i64) -> Gap {
        Gap {
            job: self.job,
            trigger: self.tick,
            first: at(first),
            last: at(last),
            instants: u32::try_from(last - first + 1).unwrap(),
            uncounted: false,
            reason: MissReason::NotRunning,
        }
    }

    async fn history(&self) -> Vec<StoredFire> {
        let (every, newest) = (FireFilter::default(), Listing::default());
        let all = self.fires.list(self.tick, &every, &newest);
        all.await.unwrap().items
    }

    /// Up to where the schedule is dealt with, for a server that begins at this minute.
    async fn begin(&self, schedule: &str, minute: i64) -> DateTime<Utc> {
        let triggers = [(self.tick, schedule.to_owned())];
        let cursors = self
            .queue
            .one
            .schedules
            .begin(&triggers, at(minute))
            .await
            .unwrap();
        assert_eq!(
            (cursors[0].trigger, cursors[0].schedule.as_str()),
            (self.tick, schedule)
        );
        cursors[0].handled
    }
}

/// So many minutes after a midnight.
fn at(minute: i64) -> DateTime<Utc> {
    "2020-03-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

async fn record(server: &QueueServer, fires: &[Fire]) -> Fired {
    server
        .schedules
        .record(server.id, fires, &[], LEASE)
        .await
        .unwrap()
}

/// Claimed, queued, skipped and known.
fn counts(fired: &Fired) -> (usize, usize, usize, usize) {
    (
        fired.claimed.len(),
        fired.queued.len(),
        fired.skipped.len(),
        fired.known,
    )
}

fn states(history: &[StoredFire]) -> Vec<(&str, Option<&str>)> {
    history
        .iter()
        .map(|fire| (fire.state.as_str(), fire.reason.as_deref()))
        .collect()
}
