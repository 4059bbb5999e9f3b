//! Which action serves each job. Lives outside of the actors, as the routes do: work that comes from elsewhere than the
//! gateway (the durable queue) finds its way by it, also while a job restarts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::action::ActionHandle;
use crate::domain::JobId;
use crate::manifest::RetryPolicy;

/// The action that serves a job.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The job's name.
    pub job_name: Arc<str>,
    /// Where invocations go.
    pub action: ActionHandle,
    /// What the version that serves says about attempts after a failed one.
    pub retries: RetryPolicy,
}

/// The jobs that are served.
#[derive(Default)]
pub struct ServingBoard {
    jobs: Mutex<HashMap<JobId, Serving>>,
    changed: Notify,
}

impl std::fmt::Debug for ServingBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServingBoard")
            .field("jobs", &self.lock().len())
            .finish()
    }
}

impl ServingBoard {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Serving>> {
        // Changed in whole steps; nothing that can panic runs between them.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who serves this job; `None` while nobody does.
    #[must_use]
    pub fn get(&self, job: JobId) -> Option<Serving> {
        self.lock().get(&job).cloned()
    }

    /// All jobs that are served.
    #[must_use]
    pub fn all(&self) -> Vec<(JobId, Serving)> {
        self.lock()
            .iter()
            .map(|(job, serving)| (*job, serving.clone()))
            .collect()
    }

    /// From now on this serves the job.
    pub(crate) fn publish(&self, job: JobId, serving: Serving) {
        self.lock().insert(job, serving);
        self.changed.notify_one();
    }

    /// Nobody serves the job any more.
    pub(crate) fn withdraw(&self, job: JobId) {
        let withdrawn = self.lock().remove(&job);
        // Dropped outside of the lock: it may be the last that holds an action's lane.
        drop(withdrawn);
    }

    /// Forgets the jobs for which this does not hold.
    pub(crate) fn retain(&self, stays: impl Fn(JobId) -> bool) {
        let mut jobs = self.lock();
        let gone: Vec<JobId> = jobs.keys().copied().filter(|job| !stays(*job)).collect();
        let withdrawn: Vec<_> = gone.iter().filter_map(|job| jobs.remove(job)).collect();
        drop(jobs);
        drop(withdrawn);
    }

    /// Resolves when another action serves some job than before. Many changes resolve it once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
