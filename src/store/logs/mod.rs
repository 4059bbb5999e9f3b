//! The functions' log lines in Postgres: copied in by thousands, in a partition for each day.

mod read;
mod write;

use async_trait::async_trait;
use chrono::Days;
use jobber_actors::domain::JobId;
use jobber_actors::ports::{LogError, LogLine, LogStore};

use super::database::Database;
use super::error::DatabaseError;
use super::partitions::DailyPartitions;
use crate::logs::{LogArchive, LogArchiveError, LogQuery, StoredLogLine};

/// Log lines in Postgres.
#[derive(Debug)]
pub struct PostgresLogStore {
    database: Database,
    partitions: DailyPartitions,
}

impl PostgresLogStore {
    /// The logs in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            partitions: DailyPartitions::new(database.clone(), "runner_logs"),
            database,
        }
    }

    /// Makes the partitions of the next days, and drops those of days that are more than `keep` days ago. Gives how many
    /// were dropped.
    ///
    /// # Errors
    /// [`DatabaseError`]; what is too old and is being read stays until the next time.
    pub async fn turn(&self, keep: Days) -> Result<u32, DatabaseError> {
        self.partitions.turn(keep).await
    }
}

#[async_trait]
impl LogStore for PostgresLogStore {
    async fn append(&self, lines: &[LogLine]) -> Result<(), LogError> {
        if lines.is_empty() {
            return Ok(());
        }
        self.copy(lines).await.map_err(|error| {
            // Another server may have dropped a partition since this one saw it.
            self.partitions.forget();
            LogError {
                unreachable: matches!(error, DatabaseError::Connection(_)),
                ..LogError::refused(error.to_string())
            }
        })
    }
}

#[async_trait]
impl LogArchive for PostgresLogStore {
    async fn read(&self, jobs: &[JobId], query: &LogQuery) -> Result<Vec<StoredLogLine>, LogArchiveError> {
        if jobs.is_empty() || query.span().is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.select(jobs, query).await?)
    }
}
