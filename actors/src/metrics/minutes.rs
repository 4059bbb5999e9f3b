//! What was counted, minute by minute: pure, the time and the counts are always told.
//!
//! Counts only grow; what a minute adds is the difference between two looks at them. Minutes that are over wait until they are kept
//! elsewhere, up to a bound.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::ending::Ending;
use super::histogram::HistogramView;
use super::tally::JobTally;
use super::trigger_tally::{Phase, TriggerTally};
use crate::domain::JobId;

/// A clock that was put back by more than this begins another minute; by less, the present one goes on.
const MOST_BACK: TimeDelta = TimeDelta::minutes(2);

/// How much may wait to be kept. The oldest minutes are given up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinuteLimits {
    /// Minutes.
    pub minutes: usize,
    /// Rollups of all minutes, of about 700 bytes each.
    pub rollups: usize,
}

/// A day without Postgres, or 30 MB.
pub const MINUTE_LIMITS: MinuteLimits = MinuteLimits {
    minutes: 24 * 60,
    rollups: 40_000,
};

/// What one job's invocations came to in one minute that one kind of trigger started.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// When the minute began.
    pub minute: DateTime<Utc>,
    /// The job.
    pub job: JobId,
    /// `http`, `mqtt` or `schedule`.
    pub kind: &'static str,
    /// How many ended like each of [`Ending::ALL`].
    pub endings: [u64; Ending::ALL.len()],
    /// Requests that found no place in the queue.
    pub turned_away: u64,
    /// Invocations that waited for a new runner.
    pub cold_starts: u64,
    /// How long they waited for it, all together.
    pub cold_wait: Duration,
    /// From the admission to the answer.
    pub total: HistogramView,
    /// In the queue.
    pub queue: HistogramView,
    /// With the runner.
    pub handler: HistogramView,
    /// The most that was seen of the job in that minute.
    pub levels: Levels,
}

/// How much of a job there was at the same time, on this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Invocations that waited for a runner.
    pub waiting: u32,
    /// Invocations that a runner worked on.
    pub running: u32,
    /// Runners that served.
    pub runners: u32,
}

/// A job as it is now.
#[derive(Clone, Debug)]
pub struct JobNow {
    /// Which.
    pub job: JobId,
    /// What its invocations have come to.
    pub tally: Arc<JobTally>,
    /// How much of it there is.
    pub levels: Levels,
}

/// The minutes that are not kept elsewhere yet.
#[derive(Debug)]
pub struct Minutes {
    limits: MinuteLimits,
    /// The minute that goes on.
    open: Option<DateTime<Utc>>,
    /// What was counted when it began.
    seen: HashMap<JobId, Seen>,
    /// The most that was seen in it.
    levels: HashMap<JobId, Levels>,
    waiting: BTreeMap<DateTime<Utc>, Vec<Rollup>>,
    rollups: usize,
    dropped: u64,
}

/// What was counted of a job.
#[derive(Debug)]
struct Seen {
    tally: Arc<JobTally>,
    turned_away: u64,
    kinds: HashMap<&'static str, Counts>,
}

/// What was counted of one kind of trigger.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    endings: [u64; Ending::ALL.len()],
    cold_starts: u64,
    times: [HistogramView; Phase::ALL.len()],
}

impl Counts {
    fn of(tally: &TriggerTally) -> Self {
        Self {
            endings: Ending::ALL.map(|ending| tally.ended(ending)),
            cold_starts: tally.cold_starts(),
            times: Phase::ALL.map(|phase| tally.times(phase)),
        }
    }

    fn time(&self, phase: Phase, earlier: &Self) -> HistogramView {
        let at = |counts: &Self| counts.times.get(phase as usize).copied().unwrap_or_default();
        at(self).since(&at(earlier))
    }
}

impl Levels {
    fn raise(&mut self, other: Self) {
        self.waiting = self.waiting.max(other.waiting);
        self.running = self.running.max(other.running);
        self.runners = self.runners.max(other.runners);
    }
}

/// The beginning of a minute.
fn beginning(time: DateTime<Utc>) -> DateTime<Utc> {
    // Fails only for times that nanoseconds of 64 bits do not reach.
    time.duration_trunc(TimeDelta::minutes(1)).unwrap_or(time)
}

impl Minutes {
    /// None yet. What was counted before the first look belongs to the minute of that.
    #[must_use]
    pub fn new(limits: MinuteLimits) -> Self {
        Self {
            limits,
            open: None,
            seen: HashMap::new(),
            levels: HashMap::new(),
            waiting: BTreeMap::new(),
            rollups: 0,
            dropped: 0,
        }
    }

    /// Looks at all jobs; to be called every second or so. What was added since the last minute began is that one's if it is over.
    pub fn look(&mut self, now: DateTime<Utc>, jobs: &[JobNow]) {
        let minute = beginning(now);
        match self.open {
            Some(open) if minute > open || minute < open - MOST_BACK => {
                self.end(open, jobs);
                self.open = Some(minute);
            }
            Some(_) => {}
            None => self.open = Some(minute),
        }
        for job in jobs {
            self.levels.entry(job.job).or_default().raise(job.levels);
        }
    }

    /// The server stops: the minute that goes on ends early.
    pub fn close(&mut self, now: DateTime<Utc>, jobs: &[JobNow]) {
        self.look(now, jobs);
        if let Some(open) = self.open.take() {
            self.end(open, jobs);
        }
    }

    fn end(&mut self, minute: DateTime<Utc>, jobs: &[JobNow]) {
        let levels = std::mem::take(&mut self.levels);
        let mut before = std::mem::take(&mut self.seen);
        let mut rollups = self.waiting.remove(&minute).unwrap_or_default();
        self.rollups -= rollups.len();
        for JobNow { job, tally, .. } in jobs {
            // A job that was gone and has come back counts from nothing.
            let before = before
                .remove(job)
                .filter(|before| Arc::ptr_eq(&before.tally, tally));
            let (seen, added) = Seen::since(tally, before.as_ref());
            self.seen.insert(*job, seen);
            let levels = levels.get(job).copied().unwrap_or_default();
            rollups.extend(added.into_iter().map(|added| added.rollup(minute, *job, levels)));
        }
        if !rollups.is_empty() {
            self.rollups += rollups.len();
            self.waiting.insert(minute, rollups);
        }
        while self.waiting.len() > self.limits.minutes || self.rollups > self.limits.rollups {
            let Some((_, rollups)) = self.waiting.pop_first() else {
                break;
            };
            self.rollups -= rollups.len();
            self.dropped += rollups.len() as u64;
        }
    }

    /// The oldest minute that waits to be kept, if one does.
    #[must_use]
    pub fn oldest(&self) -> Option<(DateTime<Utc>, &[Rollup])> {
        let (minute, rollups) = self.waiting.first_key_value()?;
        Some((*minute, rollups))
    }

    /// A minute is kept.
    pub fn kept(&mut self, minute: DateTime<Utc>) {
        if let Some(rollups) = self.waiting.remove(&minute) {
            self.rollups -= rollups.len();
        }
    }

    /// How many rollups wait to be kept.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.rollups
    }

    /// How many rollups were given up.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// What was added to the counts of one kind of trigger.
struct Added {
    kind: &'static str,
    turned_away: u64,
    now: Counts,
    before: Counts,
    longest: [Duration; Phase::ALL.len()],
}

impl Seen {
    /// What is counted now, and what of it is new.
    fn since(tally: &Arc<JobTally>, before: Option<&Self>) -> (Self, Vec<Added>) {
        let turned_away = tally.turned_away();
        let mut kinds = HashMap::new();
        let mut all = Vec::new();
        for (kind, tally) in tally.by_trigger() {
            let now = Counts::of(tally);
            // After the counts: what is counted is no longer than this.
            let longest = Phase::ALL.map(|phase| tally.take_longest(phase));
            kinds.insert(kind, now);
            let added = Added {
                kind,
                // Only requests are turned away; what else finds no place waits elsewhere.
                turned_away: if kind == crate::invocation::Input::HTTP {
                    turned_away.saturating_sub(before.map_or(0, |before| before.turned_away))
                } else {
                    0
                },
                now,
                before: before
                    .and_then(|before| before.kinds.get(kind).copied())
                    .unwrap_or_default(),
                longest,
            };
            if added.turned_away > 0 || added.now.endings != added.before.endings {
                all.push(added);
            }
        }
        let seen = Self {
            tally: Arc::clone(tally),
            turned_away,
            kinds,
        };
        (seen, all)
    }
}

impl Added {
    fn rollup(self, minute: DateTime<Utc>, job: JobId, levels: Levels) -> Rollup {
        let Self {
            kind,
            turned_away,
            now,
            before,
            longest,
        } = self;
        let mut endings = now.endings;
        for (count, earlier) in endings.iter_mut().zip(before.endings) {
            *count = count.saturating_sub(earlier);
        }
        let time = |phase| HistogramView {
            longest: longest.get(phase as usize).copied(),
            ..now.time(phase, &before)
        };
        Rollup {
            minute,
            job,
            kind,
            endings,
            turned_away,
            cold_starts: now.cold_starts.saturating_sub(before.cold_starts),
            cold_wait: time(Phase::Connect).sum + time(Phase::Load).sum,
            total: time(Phase::Total),
            queue: time(Phase::Queue),
            handler: time(Phase::Handler),
            levels,
        }
    }
}

#[cfg(test)]
mod tests;
