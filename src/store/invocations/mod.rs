//! The record of invocations in Postgres.

mod keep;
mod list;
mod points;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Days, TimeDelta, Utc};
use jobber_actors::domain::ServerId;
pub use list::{Captured, ColdStartView, ErrorView, InvocationFilter, InvocationSort, RecordedInvocation};
pub use points::{InvocationPoint, InvocationPoints};
use uuid::Uuid;

use super::database::Database;
use super::partitions::DailyPartitions;

/// Records of invocations: written in batches, read by people.
#[derive(Clone, Debug)]
pub struct PostgresInvocations {
    database: Database,
    records: Arc<DailyPartitions>,
    payloads: Arc<DailyPartitions>,
    keep: Days,
    /// Servers that the last look did not find.
    missing: Arc<Mutex<BTreeSet<ServerId>>>,
}

impl PostgresInvocations {
    /// The records in this database, of so many days before today.
    #[must_use]
    pub fn new(database: Database, keep: Days) -> Self {
        Self {
            records: Arc::new(DailyPartitions::new(database.clone(), "invocations")),
            payloads: Arc::new(DailyPartitions::new(database.clone(), "invocation_payloads")),
            database,
            keep,
            missing: Arc::default(),
        }
    }
}

impl PostgresInvocations {
    /// Remembers which servers are missing now. Gives those that the look before did not find either.
    fn missing_again(&self, missing: BTreeSet<ServerId>) -> Vec<ServerId> {
        let mut before = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let again = missing.intersection(&before).copied().collect();
        *before = missing;
        again
    }
}

/// When an id was made, to the millisecond. `None` for ids that do not tell (of another version than 7).
fn made(id: &Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    let time = DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)?;
    Some(time)
}

/// The lowest id that is made at this time.
fn first_id(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(milliseconds & 0xffff_ffff_ffff) << 80)
}

/// The lowest id that is made after this time.
fn id_after(time: DateTime<Utc>) -> Uuid {
    first_id(time + TimeDelta::milliseconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_lies_between_the_bounds_of_its_time() {
        let id = Uuid::now_v7();
        let time = made(&id).expect("version 7 tells");
        assert!(Utc::now() - time < TimeDelta::seconds(10));
        assert!(first_id(time) <= id && id < id_after(time));
        assert_eq!(made(&Uuid::nil()), None);
    }
}
