//! Logs that nobody keeps.

use async_trait::async_trait;
use jobber_actors::domain::JobId;
use jobber_actors::ports::{LogError, LogLine, LogStore};

use super::{LogArchive, LogArchiveError, LogQuery, StoredLogLine};

/// Takes every line and keeps none. Whoever asks for lines is told so, instead of finding nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoLogs;

#[async_trait]
impl LogStore for NoLogs {
    async fn append(&self, _: &[LogLine]) -> Result<(), LogError> {
        Ok(())
    }
}

#[async_trait]
impl LogArchive for NoLogs {
    async fn read(&self, _: &[JobId], _: &LogQuery) -> Result<Vec<StoredLogLine>, LogArchiveError> {
        Err(LogArchiveError::NotKept)
    }
}
