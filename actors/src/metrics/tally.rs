//! Counts of jobs.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::count::{add, get};
use super::ending::Ending;
use super::runner_tally::RunnerTally;
use super::schedule_tally::ScheduleTally;
use super::timing::Timing;
use super::trigger_tally::TriggerTally;
use crate::domain::JobId;
use crate::invocation::{Input, Refusal};

/// Counts of one job's invocations. Attempts count each.
#[derive(Debug, Default)]
pub struct JobTally {
    http: TriggerTally,
    mqtt: TriggerTally,
    schedule: TriggerTally,
    turned_away: AtomicU64,
    refusals: [AtomicU64; Refusal::CODES.len()],
    runners: RunnerTally,
    instants: ScheduleTally,
}

/// The tallies of all jobs. They begin anew with the server, and when a job that was gone comes back.
#[derive(Debug, Default)]
pub struct TallyBoard {
    jobs: Mutex<Tallies>,
}

/// By the jobs' ids, with their names.
type Tallies = HashMap<JobId, (Arc<str>, Arc<JobTally>)>;

impl JobTally {
    /// An invocation has ended that this had started.
    pub(crate) fn count(&self, kind: &'static str, ending: Ending, timing: &Timing) {
        let tally = match kind {
            Input::MQTT => &self.mqtt,
            Input::SCHEDULE => &self.schedule,
            _ => &self.http,
        };
        tally.count(ending, timing);
    }

    /// A request found no place.
    pub(crate) fn turn_away(&self) {
        add(Some(&self.turned_away), 1);
    }

    /// How many requests found no place in the queue.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        get(&self.turned_away)
    }

    /// A caller was refused.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        let code = refusal.code();
        let place = Refusal::CODES.iter().position(|known| *known == code);
        add(place.and_then(|place| self.refusals.get(place)), 1);
    }

    /// How often callers were refused, by the reason's code.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::CODES.into_iter().zip(self.refusals.iter().map(get))
    }

    /// What became of the runners.
    #[must_use]
    pub const fn runners(&self) -> &RunnerTally {
        &self.runners
    }

    /// What became of the instants of the schedules.
    #[must_use]
    pub const fn instants(&self) -> &ScheduleTally {
        &self.instants
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

    /// The same with the jobs' ids, in no order.
    #[must_use]
    pub fn jobs(&self) -> Vec<(JobId, Arc<str>, Arc<JobTally>)> {
        let jobs = self.lock();
        let of = |(job, (name, tally)): (&JobId, &(Arc<str>, Arc<JobTally>))| {
            (*job, Arc::clone(name), Arc::clone(tally))
        };
        jobs.iter().map(of).collect()
    }

    /// The tally of a job that is there.
    pub(crate) fn get(&self, job: JobId) -> Option<Arc<JobTally>> {
        self.lock().get(&job).map(|(_, tally)| Arc::clone(tally))
    }

    pub(crate) fn retain(&self, stays: impl Fn(JobId) -> bool) {
        self.lock().retain(|job, _| stays(*job));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Phase;
    use crate::metrics::timing::{ColdWait, Parts};

    #[test]
    fn invocations_are_counted_by_what_started_them_and_how_they_ended() {
        let board = TallyBoard::default();
        let (job, name) = (JobId::generate(), Arc::from("shop"));
        let tally = board.of(job, &name);
        let took = Timing {
            total: Duration::from_millis(60),
            parts: Some(Parts {
                queue: Duration::from_millis(7),
                cold: None,
                handler: Duration::from_millis(53),
            }),
        };
        tally.count(Input::HTTP, Ending::Succeeded, &took);
        tally.count(Input::HTTP, Ending::Lost, &took);
        tally.count(Input::MQTT, Ending::Failed, &took);
        tally.turn_away();

        // The next version of the job counts on.
        let queued = Timing { parts: None, ..took };
        board
            .of(job, &name)
            .count(Input::HTTP, Ending::Succeeded, &queued);
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
        let times = |phase| tally.http.times(phase).count();
        assert_eq!(Phase::ALL.map(times), [3, 2, 0, 0, 2]);
        assert_eq!(tally.http.cold_starts(), 0);

        board.retain(|_| false);
        assert!(board.all().is_empty());
    }

    #[test]
    fn only_those_are_cold_that_waited_for_a_new_runner() {
        let tally = JobTally::default();
        let cold = |connect, load| Timing {
            total: Duration::from_secs(1),
            parts: Some(Parts {
                queue: Duration::ZERO,
                cold: Some(ColdWait {
                    connect: Duration::from_millis(connect),
                    load: Duration::from_millis(load),
                }),
                handler: Duration::ZERO,
            }),
        };
        tally.count(Input::HTTP, Ending::Succeeded, &cold(200, 100));
        // It came when the runner had dialled in already.
        tally.count(Input::HTTP, Ending::Succeeded, &cold(0, 50));
        let times = |phase| tally.http.times(phase);
        assert_eq!(tally.http.cold_starts(), 2);
        assert_eq!(
            (times(Phase::Connect).count(), times(Phase::Load).count()),
            (1, 2)
        );
        assert_eq!(times(Phase::Load).sum, Duration::from_millis(150));
    }

    #[test]
    fn refusals_are_counted_by_their_code() {
        let tally = JobTally::default();
        tally.refuse(&Refusal::QueueFull { limit: 3 });
        tally.refuse(&Refusal::QueueFull { limit: 3 });
        tally.refuse(&Refusal::NoRunner("no disk".to_owned()));
        let counted: Vec<_> = tally.refusals().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("queue-full", 2), ("no-runner", 1)]);
    }
}
