//! The durable queue in Postgres. What its rows mean is in `migrations/V0002__deliveries.sql`.
//!
//! Time is the database's: whether something is due, and how long a lease lasts, is the same for all servers. Each method is
//! one statement for one batch, so that it is cheap and can be said again when it is not known what became of it.

mod claim;
mod keep;
mod settle;

pub(super) use claim::tries_of;
pub(super) use keep::json;
pub(super) use settle::ended;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jobber_actors::domain::{InvocationId, JobId, ServerId};
use jobber_actors::ports::{
    ClaimToken, ClaimedDelivery, DurableQueue, Kept, NewDelivery, QueueError, Room, Settlement,
};
use tokio_postgres::error::SqlState;

use super::database::Database;
use super::error::DatabaseError;

/// How much one job may have in the durable queue, dead letters included. A batch that comes before the limit is reached is
/// kept whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most deliveries.
    pub rows: u64,
    /// Most bytes of their inputs and bodies.
    pub bytes: u64,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            rows: 100_000,
            bytes: 1 << 30,
        }
    }
}

impl QueueLimits {
    /// Rows and bytes as Postgres counts.
    pub(super) fn counts(self) -> (i64, i64) {
        (saturated(self.rows), saturated(self.bytes))
    }
}

/// The durable queue in Postgres.
#[derive(Clone, Debug)]
pub struct PostgresDurableQueue {
    database: Database,
    instance: String,
    limits: QueueLimits,
}

impl PostgresDurableQueue {
    /// The queue in this database, as the instance of this name (`JOBBER_NAME`) sees it. Names hold no slash.
    #[must_use]
    pub fn new(database: Database, instance: impl Into<String>, limits: QueueLimits) -> Self {
        Self {
            database,
            instance: instance.into(),
            limits,
        }
    }
}

#[async_trait]
impl DurableQueue for PostgresDurableQueue {
    async fn keep(&self, deliveries: &[NewDelivery]) -> Result<Vec<Kept>, QueueError> {
        let mut kept = Vec::with_capacity(deliveries.len());
        for batch in keep::batches(deliveries) {
            kept.extend(again(|| self.keep_batch(batch).boxed()).await?);
        }
        Ok(kept)
    }

    async fn claim(
        &self,
        server: ServerId,
        room: &[Room],
        most: u32,
        lease: Duration,
    ) -> Result<Vec<ClaimedDelivery>, QueueError> {
        again(|| self.take(server, room, most, lease).boxed()).await
    }

    async fn next_due(&self, jobs: &[JobId]) -> Result<Option<DateTime<Utc>>, QueueError> {
        again(|| self.earliest(jobs).boxed()).await
    }

    async fn extend(
        &self,
        claims: &[(InvocationId, ClaimToken)],
        lease: Duration,
    ) -> Result<Vec<InvocationId>, QueueError> {
        again(|| self.prolong(claims, lease).boxed()).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<(), QueueError> {
        for batch in settle::batches(settlements) {
            again(|| self.finish(batch).boxed()).await?;
        }
        Ok(())
    }

    async fn recover(&self, server: ServerId) -> Result<u64, QueueError> {
        again(|| self.give_back(server).boxed()).await
    }
}

/// Which server holds a claim: one life of one instance.
pub(super) fn owner(instance: &str, server: ServerId) -> String {
    format!("{instance}/{server}")
}

/// Milliseconds, as the statements take them.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    saturated(duration.as_millis())
}

fn saturated(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// Does work that can be repeated, and repeats it if Postgres gave it up in favour of another transaction.
pub(super) async fn again<'a, T>(
    mut work: impl FnMut() -> BoxFuture<'a, Result<T, DatabaseError>> + Send,
) -> Result<T, QueueError> {
    const ATTEMPTS: u32 = 3;
    let mut attempt = 1;
    loop {
        match work().await {
            Err(error) if attempt < ATTEMPTS && passes(&error) => attempt += 1,
            done => return done.map_err(|error| QueueError::Unavailable(error.to_string())),
        }
    }
}

/// Whether another transaction was in the way: it took locks in another order, recorded the same, took the turn of the same
/// serial key, or removed a job or a trigger. It is over by now.
fn passes(error: &DatabaseError) -> bool {
    const PASSING: [SqlState; 3] = [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
        SqlState::FOREIGN_KEY_VIOLATION,
    ];
    error.sql_state().is_some_and(|state| PASSING.contains(state))
}
