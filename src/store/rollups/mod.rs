//! What invocations came to, minute by minute, in Postgres.

mod by_job;
mod keep;
mod series;

use std::sync::Arc;

pub use by_job::JobFigures;
use chrono::Days;
pub use series::{SeriesBucket, SeriesFilter, SeriesRange, Step};

use super::database::Database;
use super::error::DatabaseError;
use super::partitions::DailyPartitions;

/// Rollups: written every minute, read by people.
#[derive(Clone, Debug)]
pub struct PostgresRollups {
    database: Database,
    partitions: Arc<DailyPartitions>,
    keep: Days,
}

impl PostgresRollups {
    /// The rollups in this database, of so many days before today.
    #[must_use]
    pub fn new(database: Database, keep: Days) -> Self {
        Self {
            partitions: Arc::new(DailyPartitions::new(database.clone(), "metric_rollups")),
            database,
            keep,
        }
    }

    /// Makes the partitions of the next days and drops those that are too old. Gives how many were dropped.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn turn_partitions(&self) -> Result<u32, DatabaseError> {
        self.partitions.turn(self.keep).await
    }
}
