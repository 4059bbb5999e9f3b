//! Counts of runners.

use std::sync::atomic::AtomicU64;

use super::count::{add, get};

/// What became of a job's runners.
#[derive(Debug, Default)]
pub struct RunnerTally {
    ready: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
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
