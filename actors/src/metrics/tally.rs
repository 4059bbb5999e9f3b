//! Counts of invocations.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::histogram::{Histogram, HistogramView};
use super::timing::Timing;
use crate::domain::JobId;
use crate::invocation::{Input, Outcome, Refusal};
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
    cold_starts: AtomicU64,
    times: [Histogram; Phase::ALL.len()],
}

/// What the time of invocations goes to. All but the total are of those only that a runner has got; of one of these they make up the
/// total together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From its admission to the answer.
    Total,
    /// Waiting for room at a runner, without waiting for a new runner.
    Queue,
    /// Waiting until a new runner had dialled in.
    Connect,
    /// Waiting until a new runner had imported the module.
    Load,
    /// With the runner, until the answer.
    Handler,
}

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

/// What became of a job's runners.
#[derive(Debug, Default)]
pub struct RunnerTally {
    ready: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
}

/// What became of the instants of a job's schedules.
#[derive(Debug, Default)]
pub struct ScheduleTally {
    fired: AtomicU64,
    skipped: AtomicU64,
    missed: AtomicU64,
    lateness: Histogram,
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

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Total, Self::Queue, Self::Connect, Self::Load, Self::Handler];
}

impl TriggerTally {
    fn count(&self, ending: Ending, timing: &Timing) {
        add(self.endings.get(ending as usize), 1);
        self.time(Phase::Total, timing.total);
        let Some(parts) = timing.parts else { return };
        self.time(Phase::Queue, parts.queue);
        self.time(Phase::Handler, parts.handler);
        if let Some(cold) = parts.cold {
            add(Some(&self.cold_starts), 1);
            self.time(Phase::Load, cold.load);
            if !cold.connect.is_zero() {
                self.time(Phase::Connect, cold.connect);
            }
        }
    }

    fn time(&self, phase: Phase, took: Duration) {
        if let Some(times) = self.times.get(phase as usize) {
            times.add(took);
        }
    }

    /// How many ended like this.
    #[must_use]
    pub fn ended(&self, ending: Ending) -> u64 {
        self.endings.get(ending as usize).map_or(0, get)
    }

    /// How many had to wait for a new runner.
    #[must_use]
    pub fn cold_starts(&self) -> u64 {
        get(&self.cold_starts)
    }

    /// How long this took them.
    #[must_use]
    pub fn times(&self, phase: Phase) -> HistogramView {
        self.times
            .get(phase as usize)
            .map_or_else(HistogramView::default, Histogram::view)
    }
}

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

impl RunnerTally {
    /// One serves.
    pub(crate) fn add_ready(&self) {
        add(Some(&self.ready), 1);
    }

    /// One could not be started, or could not import the module.
    pub(crate) fn add_failed(&self) {
        add(Some(&self.failed), 1);
    }

    /// One ended that had served, and was not told to.
    pub(crate) fn add_lost(&self) {
        add(Some(&self.lost), 1);
    }

    /// How many came to serve.
    #[must_use]
    pub fn ready(&self) -> u64 {
        get(&self.ready)
    }

    /// How many could not be started, or could not import the module.
    #[must_use]
    pub fn failed(&self) -> u64 {
        get(&self.failed)
    }

    /// How many ended that had served, and were not told to.
    #[must_use]
    pub fn lost(&self) -> u64 {
        get(&self.lost)
    }
}

impl ScheduleTally {
    /// The function is started for an instant, so long after it.
    pub(crate) fn fire(&self, late: Duration) {
        add(Some(&self.fired), 1);
        self.lateness.add(late);
    }

    /// So many instants started nothing, because another one was still under way.
    pub(crate) fn skip(&self, instants: u64) {
        add(Some(&self.skipped), instants);
    }

    /// So many instants passed while nobody was there to start the function.
    pub(crate) fn miss(&self, instants: u64) {
        add(Some(&self.missed), instants);
    }

    /// What became of how many instants: `fired`, `skipped`, `missed`.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        [
            ("fired", get(&self.fired)),
            ("skipped", get(&self.skipped)),
            ("missed", get(&self.missed)),
        ]
    }

    /// How long after its instant the function was started.
    #[must_use]
    pub fn lateness(&self) -> HistogramView {
        self.lateness.view()
    }
}

fn add(count: Option<&AtomicU64>, more: u64) {
    if let Some(count) = count {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
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
    use super::*;
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
