//! The functions' logs in the terminal, besides where they are kept.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use jobber_actors::domain::JobId;
use jobber_actors::ports::{LogError, LogLine, LogStore};
use tokio::sync::Mutex;

use crate::store::JobStore;

/// Names of jobs that are remembered.
const MAX_NAMES: usize = 1_000;

/// A log store that also shows what it is given.
pub(super) struct TerminalLogs {
    store: Arc<dyn LogStore>,
    jobs: JobStore,
    names: Mutex<HashMap<JobId, Arc<str>>>,
}

impl TerminalLogs {
    pub(super) fn new(store: Arc<dyn LogStore>, jobs: JobStore) -> Self {
        Self {
            store,
            jobs,
            names: Mutex::default(),
        }
    }

    async fn name(&self, job: JobId) -> Arc<str> {
        let mut names = self.names.lock().await;
        if let Some(name) = names.get(&job) {
            return Arc::clone(name);
        }
        let found = self.jobs.find(&job.to_string()).await;
        let name: Arc<str> = match found {
            Ok(Some(found)) => found.name.as_str().into(),
            // Not known yet or any more: shown by its id, and looked up again the next time.
            Ok(None) | Err(_) => return job.to_string().into(),
        };
        if names.len() >= MAX_NAMES {
            names.clear();
        }
        names.insert(job, Arc::clone(&name));
        name
    }
}

#[async_trait]
impl LogStore for TerminalLogs {
    async fn append(&self, lines: &[LogLine]) -> Result<(), LogError> {
        // Kept first: what fails is given again, and must not be shown twice.
        let answer = self.store.append(lines).await;
        let kept = answer.as_ref().err().map_or(lines.len(), |error| error.kept);
        let mut shown = String::new();
        for line in lines.iter().take(kept) {
            let name = self.name(line.job).await;
            for text in line.message.lines() {
                shown.push_str(&format!("{name} | {text}\n"));
            }
        }
        if let Err(error) = std::io::stderr().lock().write_all(shown.as_bytes()) {
            tracing::debug!(%error, "the terminal takes no more");
        }
        answer
    }
}
