//! What a job wants of its action. Lives outside of the actor, so that a restarted one knows it too.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::domain::Environment;

/// What a job wants of its action.
#[derive(Debug)]
pub struct ActionIntent {
    environment: ArcSwap<Environment>,
    hold: AtomicU32,
    retired_at: OnceLock<Instant>,
}

impl ActionIntent {
    pub(super) fn new(environment: Arc<Environment>, hold: u32) -> Self {
        Self {
            environment: ArcSwap::new(environment),
            hold: AtomicU32::new(hold),
            retired_at: OnceLock::new(),
        }
    }

    /// The variables that runners should have. Runners that have others are replaced.
    pub(super) fn environment(&self) -> Arc<Environment> {
        self.environment.load_full()
    }

    /// `false` if these are the variables already.
    pub(super) fn set_environment(&self, environment: Arc<Environment>) -> bool {
        if **self.environment.load() == *environment {
            return false;
        }
        self.environment.store(environment);
        true
    }

    /// Runners wanted whatever the package says.
    pub(super) fn hold(&self) -> u32 {
        self.hold.load(Ordering::Acquire)
    }

    pub(super) fn set_hold(&self, runners: u32) {
        self.hold.store(runners, Ordering::Release);
    }

    /// Since when another version serves.
    pub(super) fn retired_at(&self) -> Option<Instant> {
        self.retired_at.get().copied()
    }

    pub(super) fn retire(&self) {
        self.retired_at.get_or_init(Instant::now);
    }
}
