//! The news that lines were kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::broadcast;

use crate::domain::JobId;
use crate::ports::LogLine;

/// News that somebody may be behind before they miss some.
const NEWS: usize = 64;

/// Tells whoever watches a log that this server has kept lines. Merely a hint: other servers keep lines, too.
#[derive(Debug)]
pub struct LogArrivals(broadcast::Sender<Arc<BTreeSet<JobId>>>);

impl Default for LogArrivals {
    fn default() -> Self {
        Self(broadcast::Sender::new(NEWS))
    }
}

impl LogArrivals {
    /// Whoever wants to hear the news from now on.
    #[must_use]
    pub fn watch(&self, job: JobId) -> LogWatch {
        LogWatch {
            job,
            news: self.0.subscribe(),
        }
    }

    /// These lines were kept.
    pub(super) fn tell(&self, lines: &[LogLine]) {
        if self.0.receiver_count() > 0 {
            let jobs = lines.iter().map(|line| line.job).collect();
            // Nobody who listens any more is no error.
            let _ = self.0.send(Arc::new(jobs));
        }
    }
}

/// Waits for lines of one job.
#[derive(Debug)]
pub struct LogWatch {
    job: JobId,
    news: broadcast::Receiver<Arc<BTreeSet<JobId>>>,
}

impl LogWatch {
    /// Resolves when lines of the job were kept since the last time, or may have been. Never when the tree is gone.
    pub async fn arrived(&mut self) {
        loop {
            match self.news.recv().await {
                Ok(jobs) if jobs.contains(&self.job) => return,
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
