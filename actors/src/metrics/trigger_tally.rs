//! Counts of what one kind of trigger started.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::count::{add, get};
use super::ending::Ending;
use super::histogram::{Histogram, HistogramView};
use super::timing::Timing;

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

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Total, Self::Queue, Self::Connect, Self::Load, Self::Handler];
}

impl TriggerTally {
    /// One has ended.
    pub(super) fn count(&self, ending: Ending, timing: &Timing) {
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

    /// The longest since this was asked last: for whoever counts minute by minute.
    pub(super) fn take_longest(&self, phase: Phase) -> Duration {
        self.times
            .get(phase as usize)
            .map_or(Duration::ZERO, Histogram::take_longest)
    }
}
