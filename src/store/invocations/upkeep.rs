//! What has to be done for the record from time to time.

use std::collections::BTreeSet;

use chrono::Utc;
use jobber_actors::domain::ServerId;
use uuid::Uuid;

use super::PostgresInvocations;
use crate::store::error::DatabaseError;
use crate::store::presence;

/// Servers that have put down what was under way, besides this one.
const OTHERS: &str = "
    select distinct server_id from invocations where ended_at is null and server_id <> $1";
const LOSE: &str = "
    update invocations
    set status = 'lost', ended_at = $2, error_code = 'server-lost',
        error_message = 'the server ended while it had the invocation'
    where ended_at is null and server_id = $1";

impl PostgresInvocations {
    /// Makes the partitions of the next days and drops those that are too old. Gives how many were dropped.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn turn_partitions(&self) -> Result<u32, DatabaseError> {
        let records = self.records.turn(self.keep).await?;
        Ok(records + self.payloads.turn(self.keep).await?)
    }

    /// Records as lost what servers had under way that this look and the one before did not find: one that has lost its connection
    /// to the database for a moment is alive. Gives how many invocations that were.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn lose_of_dead_servers(&self, server: ServerId) -> Result<u64, DatabaseError> {
        let mut client = self.database.client().await?;
        let others = client.query(OTHERS, &[server.as_uuid()]).await?;
        let mut missing = BTreeSet::new();
        for row in others {
            let other = ServerId::from(row.get::<_, Uuid>("server_id"));
            let transaction = client.transaction().await?;
            if presence::is_gone(&transaction, other).await? {
                missing.insert(other);
            }
            transaction.commit().await?;
        }
        let mut lost = 0;
        for other in self.missing_again(missing) {
            lost += client.execute(LOSE, &[other.as_uuid(), &Utc::now()]).await?;
        }
        Ok(lost)
    }
}
