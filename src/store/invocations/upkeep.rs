//! What has to be done for the record from time to time.

use chrono::Utc;
use jobber_actors::domain::ServerId;
use uuid::Uuid;

use super::PostgresInvocations;
use crate::store::error::DatabaseError;
use crate::store::presence;

/// Servers that have put down what was under way, besides this one.
const OTHERS: &str = "
    select distinct server_id from invocations where status in ('queued', 'running') and server_id <> $1";
const LOSE: &str = "
    update invocations
    set status = 'lost', ended_at = $2, error_code = 'server-lost',
        error_message = 'the server ended while it had the invocation'
    where status in ('queued', 'running') and server_id = $1";

impl PostgresInvocations {
    /// Makes the partitions of the next days and drops those that are too old. Gives how many were dropped.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn turn_partitions(&self) -> Result<u32, DatabaseError> {
        let records = self.records.turn(self.keep).await?;
        Ok(records + self.payloads.turn(self.keep).await?)
    }

    /// Records as lost what servers had under way that are not there any more. Gives how many invocations that were.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn lose_of_dead_servers(&self, server: ServerId) -> Result<u64, DatabaseError> {
        let mut client = self.database.client().await?;
        let others = client.query(OTHERS, &[server.as_uuid()]).await?;
        let mut lost = 0;
        for row in others {
            let other: Uuid = row.get("server_id");
            let transaction = client.transaction().await?;
            if presence::is_gone(&transaction, ServerId::from(other)).await? {
                lost += transaction.execute(LOSE, &[&other, &Utc::now()]).await?;
            }
            transaction.commit().await?;
        }
        Ok(lost)
    }
}
