//! What the record of an invocation has to know of the runner that had it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::mask::Mask;

/// What is known of one runner, and may become more as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct RunnerFacts {
    mask: OnceLock<Arc<Mask>>,
    /// In bytes; 0 as long as it has not said.
    peak_memory: AtomicU64,
}

impl RunnerFacts {
    /// It is given these secrets. The first time counts: a runner is assigned once.
    pub(super) fn given(&self, mask: Mask) {
        self.mask.get_or_init(|| Arc::new(mask));
    }

    /// Finds the secrets that it was given.
    pub(crate) fn mask(&self) -> Arc<Mask> {
        self.mask.get().map_or_else(Arc::default, Arc::clone)
    }

    /// It says that its process has held this many bytes.
    pub(super) fn memory_was(&self, bytes: u64) {
        self.peak_memory.fetch_max(bytes, Ordering::Relaxed);
    }

    /// The most bytes that its process is known to have held.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        Some(self.peak_memory.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }
}
