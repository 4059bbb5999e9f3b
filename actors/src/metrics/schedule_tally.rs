//! Counts of the instants of schedules.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::count::{add, get};
use super::histogram::{Histogram, HistogramView};

/// What became of the instants of a job's schedules.
#[derive(Debug, Default)]
pub struct ScheduleTally {
    fired: AtomicU64,
    skipped: AtomicU64,
    missed: AtomicU64,
    lateness: Histogram,
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
