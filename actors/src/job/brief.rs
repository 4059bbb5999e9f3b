//! What a job should be. Lives outside of its actor, so that a restarted one knows it too.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::DesiredJob;

/// What a job should be, kept up to date from outside of its actor.
#[derive(Debug)]
pub struct JobBrief(Mutex<Arc<DesiredJob>>);

impl JobBrief {
    /// A brief that says this.
    #[must_use]
    pub fn new(job: DesiredJob) -> Self {
        Self(Mutex::new(Arc::new(job)))
    }

    /// What it says now.
    #[must_use]
    pub fn get(&self) -> Arc<DesiredJob> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It says something else from now on.
    pub fn set(&self, job: DesiredJob) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(job);
    }
}
