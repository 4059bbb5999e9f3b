//! Counts of invocations.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::histogram::{Histogram, HistogramView};
use crate::domain::JobId;
use crate::invocation::{Input, Outcome};
use crate::ports::InvocationStatus;

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The handler answered, or finished.
    Succeeded,
    /// The handler threw.
    Failed,
    /// The runner, or an actor that held it, was lost.
    Lost,
    /// It took too long, in the queue or at the handler.
    TimedOut,
    /// It was not run.
    Refused,
    /// Whoever had asked for it gave up before there was an answer.
    Cancelled,
}

/// Counts of one job's invocations that one kind of trigger started.
#[derive(Debug, Default)]
pub struct TriggerTally {
    endings: [AtomicU64; Ending::ALL.len()],
    durations: Histogram,
}

/// Counts of one job's invocations. Attempts count each.
#[derive(Debug, Default)]
pub struct JobTally {
    http: TriggerTally,
    mqtt: TriggerTally,
    schedule: TriggerTally,
    turned_away: AtomicU64,
}

/// The tallies of all jobs. They begin anew with the server, and when a job that was gone comes back.
#[derive(Debug, Default)]
pub struct TallyBoard {
    jobs: Mutex<Tallies>,
}

/// By the jobs' ids, with their names.
type Tallies = HashMap<JobId, (Arc<str>, Arc<JobTally>)>;

impl Ending {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::Failed,
        Self::Lost,
        Self::TimedOut,
        Self::Refused,
        Self::Cancelled,
    ];

    /// What an outcome comes to. An answer that is streamed counts when it begins.
    #[must_use]
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Responded { .. } | Outcome::Settled => Self::Succeeded,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Lost(_) => Self::Lost,
            Outcome::TimedOut { .. } => Self::TimedOut,
            Outcome::Refused(_) => Self::Refused,
        }
    }

    /// What metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.status().name()
    }

    /// What the record says of an invocation that ended like this.
    #[must_use]
    pub const fn status(self) -> InvocationStatus {
        match self {
            Self::Succeeded => InvocationStatus::Succeeded,
            Self::Failed => InvocationStatus::Failed,
            Self::Lost => InvocationStatus::Lost,
            Self::TimedOut => InvocationStatus::TimedOut,
            Self::Refused => InvocationStatus::Refused,
            Self::Cancelled => InvocationStatus::Cancelled,
        }
    }
}

impl TriggerTally {
    fn count(&self, ending: Ending, took: Duration) {
        if let Some(count) = self.endings.get(ending as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.durations.add(took);
    }

    /// How many ended like this.
    #[must_use]
    pub fn ended(&self, ending: Ending) -> u64 {
        self.endings
            .get(ending as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How long they took, from their admission to the answer.
    #[must_use]
    pub fn durations(&self) -> HistogramView {
        self.durations.view()
    }
}

impl JobTally {
    /// An invocation has ended that this had started.
    pub(crate) fn count(&self, kind: &'static str, ending: Ending, took: Duration) {
        let tally = match kind {
            Input::MQTT => &self.mqtt,
            Input::SCHEDULE => &self.schedule,
            _ => &self.http,
        };
        tally.count(ending, took);
    }

    /// A request found no place.
    pub(crate) fn turn_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests found no place in the queue.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// The counts by what started the invocations.
    pub fn by_trigger(&self) -> impl Iterator<Item = (&'static str, &TriggerTally)> {
        [
            (Input::HTTP, &self.http),
            (Input::MQTT, &self.mqtt),
            (Input::SCHEDULE, &self.schedule),
        ]
        .into_iter()
    }
}

impl TallyBoard {
    fn lock(&self) -> MutexGuard<'_, Tallies> {
        // Changed in whole steps; nothing that can panic runs between them.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tally of a job, of all its versions.
    pub(crate) fn of(&self, job: JobId, name: &Arc<str>) -> Arc<JobTally> {
        let mut jobs = self.lock();
        let (_, tally) = jobs
            .entry(job)
            .or_insert_with(|| (Arc::clone(name), Arc::default()));
        Arc::clone(tally)
    }

    /// All jobs' names and tallies.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<str>, Arc<JobTally>)> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn retain(&self, stays: impl Fn(JobId) -> bool) {
        self.lock().retain(|job, _| stays(*job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invocations_are_counted_by_what_started_them_and_how_they_ended() {
        let board = TallyBoard::default();
        let (job, name) = (JobId::generate(), Arc::from("shop"));
        let tally = board.of(job, &name);
        let took = Duration::from_millis(3);
        tally.count(Input::HTTP, Ending::Succeeded, took);
        tally.count(Input::HTTP, Ending::Lost, took);
        tally.count(Input::MQTT, Ending::Failed, took);
        tally.turn_away();

        // The next version of the job counts on.
        board.of(job, &name).count(Input::HTTP, Ending::Succeeded, took);
        let seen: Vec<_> = board
            .all()
            .into_iter()
            .flat_map(|(name, tally)| {
                let counts = tally
                    .by_trigger()
                    .map(|(kind, counts)| (kind, Ending::ALL.map(|ending| counts.ended(ending))));
                counts
                    .map(move |(kind, counts)| (name.to_string(), kind, counts))
                    .collect::<Vec<_>>()
            })
            .collect();
        let shop = || "shop".to_owned();
        assert_eq!(
            seen,
            [
                (shop(), "http", [2, 0, 1, 0, 0, 0]),
                (shop(), "mqtt", [0, 1, 0, 0, 0, 0]),
                (shop(), "schedule", [0; 6])
            ]
        );
        assert_eq!(tally.turned_away(), 1);
        assert_eq!(tally.http.durations().count(), 3);

        board.retain(|_| false);
        assert!(board.all().is_empty());
    }
}
