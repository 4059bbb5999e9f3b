//! How long to wait before the next try after runners failed to start.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::invocation::{FunctionError, Refusal};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After so many failures of the engine in a row nobody is kept waiting for the next try.
const HOPELESS_AFTER: u32 = 3;

/// Why no runner could be had, the last time.
#[derive(Clone, Debug)]
pub(super) enum StartFailure {
    /// The package can not be imported. It will not get better by waiting.
    Load(FunctionError),
    /// The engine, the network, or Jobber itself. It may get better.
    Engine(String),
}

/// Failures in a row, and when to try again.
#[derive(Debug)]
pub(super) struct Recovery {
    jitter: StdRng,
    failures: u32,
    not_before: Option<Instant>,
    last: Option<StartFailure>,
}

impl Recovery {
    /// No failures yet. `seed` makes the jitter.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            jitter: StdRng::seed_from_u64(seed),
            failures: 0,
            not_before: None,
            last: None,
        }
    }

    pub(super) fn failed(&mut self, failure: StartFailure, now: Instant) {
        let doubled = FIRST_WAIT * 2_u32.saturating_pow(self.failures.min(10));
        let wait = doubled.min(LONGEST_WAIT);
        // Up to a third less, so that many jobs that failed together do not come back together.
        let jitter = self.jitter.random_range(0.67..=1.0);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + wait.mul_f64(jitter));
        self.last = Some(failure);
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
        self.last = None;
    }

    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// What to tell a caller instead of letting it wait for a try that comes later and will most likely fail.
    pub(super) fn refusal(&self, now: Instant) -> Option<Refusal> {
        if self.not_before? <= now {
            return None;
        }
        match self.last.as_ref()? {
            StartFailure::Load(error) => Some(Refusal::LoadFailed(error.clone())),
            StartFailure::Engine(detail) if self.failures >= HOPELESS_AFTER => {
                Some(Refusal::NoRunner(detail.clone()))
            }
            StartFailure::Engine(_) => None,
        }
    }
}
