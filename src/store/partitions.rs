//! Tables of what happened, in a partition for each day, so that what is too old goes at once and costs nothing.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chrono::{Days, NaiveDate, Utc};

use super::database::Database;
use super::error::DatabaseError;

const MAKE: &str = "select make_daily_partition($1, $2)";
const DROP: &str = "select drop_daily_partitions($1, $2)";
/// Partitions are there this many days before they are needed.
const AHEAD: u64 = 2;

/// One table with daily partitions (days of UTC). Made by `make_daily_partition` of the schema.
#[derive(Debug)]
pub struct DailyPartitions {
    database: Database,
    table: &'static str,
    /// Days whose partitions are there.
    known: Mutex<BTreeSet<NaiveDate>>,
}

impl DailyPartitions {
    /// The partitions of this table.
    #[must_use]
    pub fn new(database: Database, table: &'static str) -> Self {
        Self {
            database,
            table,
            known: Mutex::default(),
        }
    }

    /// Sees to it that there is a partition for each of these days. Asks Postgres only for days that it was not asked for before.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn provide(&self, days: impl IntoIterator<Item = NaiveDate>) -> Result<(), DatabaseError> {
        let missing: BTreeSet<NaiveDate> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            days.into_iter().filter(|day| !known.contains(day)).collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let client = self.database.client().await?;
        let statement = client.prepare_cached(MAKE).await?;
        for day in missing {
            client.query_one(&statement, &[&self.table, &day]).await?;
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(day);
        }
        Ok(())
    }

    /// The name of a day's partition, as the schema gives it.
    pub(super) fn of(&self, day: NaiveDate) -> String {
        format!("{}_{}", self.table, day.format("%Y%m%d"))
    }

    /// Makes the partitions of today and the next days, and drops those of days that are more than `keep` days ago. Gives how
    /// many were dropped.
    ///
    /// # Errors
    /// [`DatabaseError`]; what is too old and is being read stays until the next time.
    pub async fn turn(&self, keep: Days) -> Result<u32, DatabaseError> {
        let today = Utc::now().date_naive();
        self.provide((0..=AHEAD).filter_map(|ahead| today.checked_add_days(Days::new(ahead))))
            .await?;
        let Some(oldest) = today.checked_sub_days(keep) else {
            return Ok(0);
        };
        let client = self.database.client().await?;
        let statement = client.prepare_cached(DROP).await?;
        let dropped: i32 = client
            .query_one(&statement, &[&self.table, &oldest])
            .await?
            .get(0);
        self.forget();
        Ok(u32::try_from(dropped).unwrap_or_default())
    }

    /// Asks again which days have partitions: somebody may have dropped some.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
