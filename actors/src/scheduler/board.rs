//! The schedules that the triggers have published. Lives outside of the actors: a trigger or a scheduler that restarts loses none.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::domain::{JobId, TriggerId};
use crate::invocation::TriggerRef;
use crate::manifest::ScheduleTrigger;

/// What a schedule trigger publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleSeed {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub job_name: Arc<str>,
    /// The trigger.
    pub trigger: TriggerRef,
    /// When, and what happens to instants that were missed or overlap.
    pub config: Arc<ScheduleTrigger>,
}

impl ScheduleSeed {
    /// The schedule as text: when it changes, what was missed under the former one is nobody's business.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.config.timezone.name(), self.config.cron.as_str())
    }
}

/// What is known of a schedule that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleStatus {
    /// The instant that is recorded already, if one is.
    pub ahead: Option<DateTime<Utc>>,
    /// The next one that is not; `None` if there is none any more.
    pub next: Option<DateTime<Utc>>,
}

impl ScheduleStatus {
    /// Its next instant as seen at some time; `None` if it has none any more.
    #[must_use]
    pub fn next_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.ahead.filter(|ahead| *ahead > now).or(self.next)
    }
}

#[derive(Default)]
struct Published {
    seeds: HashMap<TriggerId, Arc<ScheduleSeed>>,
    statuses: HashMap<TriggerId, ScheduleStatus>,
    /// Why schedules do not run now, if they do not.
    trouble: Option<(DateTime<Utc>, String)>,
}

/// The published schedules.
#[derive(Default)]
pub struct ScheduleBoard {
    published: Mutex<Published>,
    changed: Notify,
}

impl std::fmt::Debug for ScheduleBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScheduleBoard")
            .field("schedules", &self.lock().seeds.len())
            .finish()
    }
}

impl ScheduleBoard {
    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a trigger's schedule, instead of the one it had.
    pub(crate) fn publish(&self, seed: ScheduleSeed) {
        let mut published = self.lock();
        let id = seed.trigger.id;
        if published.seeds.get(&id).is_some_and(|known| **known == seed) {
            return;
        }
        published.seeds.insert(id, Arc::new(seed));
        drop(published);
        self.changed.notify_one();
    }

    /// Takes away the schedules of a job that are not of these triggers.
    pub(crate) fn keep_only(&self, job: JobId, triggers: &HashSet<TriggerId>) {
        self.retain(|seed| seed.job != job || triggers.contains(&seed.trigger.id));
    }

    /// Takes away the schedules for which this does not hold.
    pub(crate) fn retain(&self, stays: impl Fn(&ScheduleSeed) -> bool) {
        let mut published = self.lock();
        let before = published.seeds.len();
        let Published { seeds, statuses, .. } = &mut *published;
        seeds.retain(|_, seed| stays(seed));
        statuses.retain(|trigger, _| seeds.contains_key(trigger));
        let changed = seeds.len() < before;
        drop(published);
        if changed {
            self.changed.notify_one();
        }
    }

    /// All published schedules.
    pub(crate) fn all(&self) -> HashMap<TriggerId, Arc<ScheduleSeed>> {
        self.lock().seeds.clone()
    }

    /// Resolves when other schedules are published than before. Many changes resolve it once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) fn set_status(&self, trigger: TriggerId, status: ScheduleStatus) {
        let mut published = self.lock();
        if published.seeds.contains_key(&trigger) {
            published.statuses.insert(trigger, status);
        }
    }

    pub(crate) fn set_trouble(&self, trouble: Option<(DateTime<Utc>, String)>) {
        self.lock().trouble = trouble;
    }

    /// The schedules that run, in the order of their triggers' ids.
    #[must_use]
    pub fn running(&self) -> Vec<(JobId, TriggerId, ScheduleStatus)> {
        let published = self.lock();
        let statuses = published.statuses.iter();
        let mut running: Vec<_> = statuses
            .filter_map(|(id, status)| Some((published.seeds.get(id)?.job, *id, *status)))
            .collect();
        running.sort_by_key(|(_, id, _)| *id);
        running
    }

    /// Why schedules do not run now, and since when; `None` if they do.
    #[must_use]
    pub fn trouble(&self) -> Option<(DateTime<Utc>, String)> {
        self.lock().trouble.clone()
    }

    /// How it stands with a schedule; `None` while it does not run.
    #[must_use]
    pub fn status(&self, trigger: TriggerId) -> Option<ScheduleStatus> {
        self.lock().statuses.get(&trigger).copied()
    }
}
