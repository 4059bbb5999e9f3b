//! What was found of each arbiter. Lives outside of the actors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::lag::Lag;

/// How late the timers of the arbiters are.
#[derive(Debug, Default)]
pub struct PulseBoard {
    arbiters: Mutex<BTreeMap<Arc<str>, Lag>>,
}

impl PulseBoard {
    pub(super) fn note(&self, arbiter: &Arc<str>, note: impl FnOnce(&mut Lag)) {
        let mut arbiters = self.arbiters.lock().unwrap_or_else(PoisonError::into_inner);
        note(arbiters.entry(Arc::clone(arbiter)).or_default());
    }

    /// How late a timer has been at most in the last quarter of a minute, or a little longer, on each arbiter.
    #[must_use]
    pub fn lags(&self) -> Vec<(Arc<str>, Duration)> {
        let now = Instant::now();
        let arbiters = self.arbiters.lock().unwrap_or_else(PoisonError::into_inner);
        let lags = arbiters.iter();
        lags.map(|(name, lag)| (Arc::clone(name), lag.greatest(now)))
            .collect()
    }
}
