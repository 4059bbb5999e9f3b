//! Forgetting calls.

use super::CallStore;
use crate::store::durable_queue::milliseconds;
use crate::store::error::DatabaseError;

/// Rows of one statement.
const BATCH: i64 = 1_000;
const KEYS: &str = "
    delete from idempotency_keys
    where (job_id, key) in (select job_id, key from idempotency_keys where expires_at <= now() limit $1 for update skip locked)";
/// A call stays as long as a client may ask for it by its key, as long as somebody is still to be told, and as long as it is in the
/// queue: also as a dead letter, which may be redriven.
const CALLS: &str = "
    delete from async_calls
    where id = any (array(
        select id from async_calls c
        where ended_at <= now() - $1::bigint * interval '1 millisecond' and callback_state is distinct from 'pending'
          and not exists (select from idempotency_keys k where k.call_id = c.id)
          and not exists (select from deliveries d where d.id = c.id)
        limit $2 for update skip locked))";
const SECRETS: &str = "delete from secrets where valid_until <= now()";

impl CallStore {
    /// Removes what has been kept long enough. Returns how many calls that were.
    ///
    /// # Errors
    /// [`DatabaseError`]; what is removed is removed.
    pub async fn purge(&self) -> Result<u64, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(KEYS).await?;
        while client.execute(&statement, &[&BATCH]).await? == BATCH.unsigned_abs() {}
        client.execute(SECRETS, &[]).await?;
        let statement = client.prepare_cached(CALLS).await?;
        let retention = milliseconds(self.limits.retention);
        let mut removed = 0;
        loop {
            let some = client.execute(&statement, &[&retention, &BATCH]).await?;
            removed += some;
            if some < BATCH.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
