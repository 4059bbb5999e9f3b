//! Counts that many threads add to.

use std::sync::atomic::{AtomicU64, Ordering};

/// Adds to a count, if it is there.
pub(super) fn add(count: Option<&AtomicU64>, more: u64) {
    if let Some(count) = count {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

/// What was counted.
pub(super) fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
