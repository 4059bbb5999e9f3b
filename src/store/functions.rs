//! The functions' key/value store.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use deadpool_postgres::Client;
use jobber_actors::domain::JobId;
use jobber_actors::ports::{
    FunctionStore, Item, ItemPage, ItemSummary, MAX_KEY_BYTES, MAX_VALUE_BYTES, StoreError,
};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;

const GET: &str = "
    select value, expiry, created, modified from job_store
    where job_id = $1 and key = $2 and (expiry is null or expiry > now())";
/// An item that expired and was not purged yet counts as absent: it is created anew.
const SET: &str = "
    insert into job_store as s (job_id, key, value, expiry) values ($1, $2, $3, $4)
    on conflict (job_id, key) do update
        set value = excluded.value, expiry = excluded.expiry, modified = now(),
            created = case when s.expiry <= now() then now() else s.created end
    returning value, expiry, created, modified";
const DELETE: &str = "
    delete from job_store where job_id = $1 and key = $2 returning expiry is null or expiry > now() as present";
/// Anything but a whole number becomes null on the way, which the column refuses.
const INCREMENT: &str = "
    insert into job_store as s (job_id, key, value, expiry) values ($1, $2, convert_to($3::bigint::text, 'UTF8'), $4)
    on conflict (job_id, key) do update
        set value = case
                when s.expiry <= now() then excluded.value
                when octet_length(s.value) <= 20 and encode(s.value, 'escape') ~ '^-?[0-9]{1,19}$'
                    then convert_to((encode(s.value, 'escape')::bigint + $3::bigint)::text, 'UTF8')
            end,
            expiry = case when $4::timestamptz is not null or s.expiry <= now() then excluded.expiry else s.expiry end,
            created = case when s.expiry <= now() then now() else s.created end,
            modified = now()
    returning convert_from(value, 'UTF8')::bigint as number";
const SWAP_ABSENT: &str = "
    insert into job_store as s (job_id, key, value, expiry) values ($1, $2, $3, $4)
    on conflict (job_id, key) do update
        set value = excluded.value, expiry = excluded.expiry, created = now(), modified = now()
        where s.expiry <= now()";
const SWAP: &str = "
    update job_store set value = $3, expiry = $4, modified = now()
    where job_id = $1 and key = $2 and value = $5 and (expiry is null or expiry > now())";
const LIST: &str = "
    select key, octet_length(value) as size, expiry, created, modified from job_store
    where job_id = $1 and key >= $2 and ($3::text is null or key < $3) and ($4::text is null or key > $4)
      and (expiry is null or expiry > now())
    order by key limit $5";
/// What a job keeps, and how much of it is the key that is about to be written.
const USAGE: &str = "
    select coalesce(sum(u.keys), 0)::bigint as keys, coalesce(sum(u.bytes), 0)::bigint as bytes,
           (select octet_length(s.key) + octet_length(s.value) from job_store s where s.job_id = $1 and s.key = $2)
               as present
    from job_store_usage u where u.job_id = $1";
/// Rows that are being written right now are left for the next time.
const PURGE: &str = "
    delete from job_store where (job_id, key) in (
        select job_id, key from job_store where expiry <= now() limit $1 for update skip locked)";
/// Two purges at once would lock the counters in different orders.
const PURGE_LOCK: i64 = 0x006a_6f62_7075_7267;
const MAX_LIST: u32 = 1_000;

/// How much one job may keep. Writers at the same moment may pass a limit by what they write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionStoreLimits {
    /// Most keys.
    pub keys: u64,
    /// Most bytes of keys and values together.
    pub bytes: u64,
}

impl Default for FunctionStoreLimits {
    fn default() -> Self {
        Self {
            keys: 100_000,
            bytes: 64 << 20,
        }
    }
}

/// The functions' store in Postgres.
#[derive(Clone, Debug)]
pub struct PostgresFunctionStore {
    database: Database,
    limits: FunctionStoreLimits,
}

impl PostgresFunctionStore {
    /// The store in this database.
    #[must_use]
    pub fn new(database: Database, limits: FunctionStoreLimits) -> Self {
        Self { database, limits }
    }

    /// Removes up to `limit` items that have expired. Returns how many; less than `limit` means that none are left.
    /// Expired items are invisible before that; this gives their room back.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn purge_expired(&self, limit: u32) -> Result<u64, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let locked = transaction
            .query_one("select pg_try_advisory_xact_lock($1)", &[&PURGE_LOCK])
            .await?;
        if !locked.get::<_, bool>(0) {
            return Ok(0);
        }
        let purged = transaction.execute(PURGE, &[&i64::from(limit)]).await?;
        transaction.commit().await?;
        Ok(purged)
    }

    async fn client(&self) -> Result<Client, StoreError> {
        self.database.client().await.map_err(unavailable)
    }

    /// Refuses what would take the job over its limits. What does not grow is never refused.
    async fn check_room(
        &self,
        client: &Client,
        job: JobId,
        key: &str,
        value: usize,
    ) -> Result<(), StoreError> {
        let statement = client.prepare_cached(USAGE).await.map_err(failed)?;
        let usage = client
            .query_one(&statement, &[job.as_uuid(), &key])
            .await
            .map_err(failed)?;
        let present: Option<i32> = usage.get("present");
        let count = |column: &str| u64::try_from(usage.get::<_, i64>(column)).unwrap_or_default();
        let wanted = (key.len() + value) as u64;
        let freed = present.map_or(0, |bytes| u64::try_from(bytes).unwrap_or_default());
        let too_many_keys = present.is_none() && count("keys") >= self.limits.keys;
        let too_many_bytes = wanted > freed && count("bytes") + wanted - freed > self.limits.bytes;
        if too_many_keys || too_many_bytes {
            Err(StoreError::Full)
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl FunctionStore for PostgresFunctionStore {
    async fn get(&self, job: JobId, key: &str) -> Result<Option<Item>, StoreError> {
        check_key(key)?;
        let client = self.client().await?;
        let statement = client.prepare_cached(GET).await.map_err(failed)?;
        let row = client
            .query_opt(&statement, &[job.as_uuid(), &key])
            .await
            .map_err(failed)?;
        Ok(row.as_ref().map(item_of))
    }

    async fn set(
        &self,
        job: JobId,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Item, StoreError> {
        check_key(key)?;
        check_value(&value)?;
        let expiry = expiry(ttl)?;
        let client = self.client().await?;
        self.check_room(&client, job, key, value.len()).await?;
        let statement = client.prepare_cached(SET).await.map_err(failed)?;
        let row = client
            .query_one(&statement, &[job.as_uuid(), &key, &value.as_ref(), &expiry])
            .await
            .map_err(failed)?;
        Ok(item_of(&row))
    }

    async fn delete(&self, job: JobId, key: &str) -> Result<bool, StoreError> {
        check_key(key)?;
        let client = self.client().await?;
        let statement = client.prepare_cached(DELETE).await.map_err(failed)?;
        let row = client
            .query_opt(&statement, &[job.as_uuid(), &key])
            .await
            .map_err(failed)?;
        Ok(row.is_some_and(|row| row.get("present")))
    }

    async fn increment(
        &self,
        job: JobId,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError> {
        const LONGEST_NUMBER: usize = 20;
        check_key(key)?;
        let expiry = expiry(ttl)?;
        let client = self.client().await?;
        self.check_room(&client, job, key, LONGEST_NUMBER).await?;
        let statement = client.prepare_cached(INCREMENT).await.map_err(failed)?;
        let incremented = client
            .query_one(&statement, &[job.as_uuid(), &key, &by, &expiry])
            .await;
        match incremented {
            Ok(row) => Ok(row.get("number")),
            Err(error) if error.code() == Some(&SqlState::NOT_NULL_VIOLATION) => Err(StoreError::NotANumber),
            Err(error) if error.code() == Some(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE) => Err(
                StoreError::BadRequest("the number does not fit into 64 bits".to_owned()),
            ),
            Err(error) => Err(failed(error)),
        }
    }

    async fn compare_and_set(
        &self,
        job: JobId,
        key: &str,
        expected: Option<Bytes>,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        check_key(key)?;
        check_value(&value)?;
        let expiry = expiry(ttl)?;
        let client = self.client().await?;
        self.check_room(&client, job, key, value.len()).await?;
        let (job, value): (&Uuid, &[u8]) = (job.as_uuid(), &value);
        let swapped = match expected {
            None => {
                let statement = client.prepare_cached(SWAP_ABSENT).await.map_err(failed)?;
                client.execute(&statement, &[job, &key, &value, &expiry]).await
            }
            Some(expected) => {
                let statement = client.prepare_cached(SWAP).await.map_err(failed)?;
                client
                    .execute(&statement, &[job, &key, &value, &expiry, &expected.as_ref()])
                    .await
            }
        };
        Ok(swapped.map_err(failed)? > 0)
    }

    async fn list(
        &self,
        job: JobId,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ItemPage, StoreError> {
        check_text(prefix)?;
        check_text(after.unwrap_or_default())?;
        if limit == 0 || limit > MAX_LIST {
            return Err(StoreError::BadRequest(format!(
                "the limit must be 1 to {MAX_LIST}"
            )));
        }
        let client = self.client().await?;
        let statement = client.prepare_cached(LIST).await.map_err(failed)?;
        let one_more = i64::from(limit) + 1;
        let end = end_of_prefix(prefix);
        let rows = client
            .query(&statement, &[job.as_uuid(), &prefix, &end, &after, &one_more])
            .await
            .map_err(failed)?;
        let mut items: Vec<ItemSummary> = rows.iter().map(summary_of).collect();
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = items.last().filter(|_| more).map(|last| last.key.clone());
        Ok(ItemPage { items, next })
    }
}

fn item_of(row: &Row) -> Item {
    Item {
        value: Bytes::from(row.get::<_, Vec<u8>>("value")),
        expiry: row.get("expiry"),
        created: row.get("created"),
        modified: row.get("modified"),
    }
}

fn summary_of(row: &Row) -> ItemSummary {
    ItemSummary {
        key: row.get("key"),
        size: u64::try_from(row.get::<_, i32>("size")).unwrap_or_default(),
        expiry: row.get("expiry"),
        created: row.get("created"),
        modified: row.get("modified"),
    }
}

fn check_key(key: &str) -> Result<(), StoreError> {
    if key.is_empty() {
        return Err(StoreError::BadRequest("the key is empty".to_owned()));
    }
    check_text(key)
}

fn check_text(text: &str) -> Result<(), StoreError> {
    if text.len() > MAX_KEY_BYTES {
        return Err(StoreError::BadRequest(format!(
            "a key has at most {MAX_KEY_BYTES} bytes"
        )));
    }
    if text.contains('\0') {
        return Err(StoreError::BadRequest("a key can not contain NUL".to_owned()));
    }
    Ok(())
}

fn check_value(value: &Bytes) -> Result<(), StoreError> {
    if value.len() > MAX_VALUE_BYTES {
        Err(StoreError::TooLarge(value.len()))
    } else {
        Ok(())
    }
}

fn expiry(ttl: Option<Duration>) -> Result<Option<DateTime<Utc>>, StoreError> {
    /// A thousand years: what Postgres and chrono can both add to now.
    const LONGEST: Duration = Duration::from_secs(1_000 * 366 * 86_400);
    let Some(ttl) = ttl else { return Ok(None) };
    if ttl.is_zero() || ttl > LONGEST {
        return Err(StoreError::BadRequest(
            "the time to live is out of range".to_owned(),
        ));
    }
    let delta = TimeDelta::from_std(ttl)
        .ok()
        .and_then(|delta| Utc::now().checked_add_signed(delta));
    delta
        .map(Some)
        .ok_or_else(|| StoreError::BadRequest("the time to live is out of range".to_owned()))
}

/// The first text after all that begin with `prefix`, in the order of bytes; `None` if there is none.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = successor(last) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

fn successor(character: char) -> Option<char> {
    match character {
        '\u{d7ff}' => Some('\u{e000}'),
        other => char::from_u32(u32::from(other) + 1),
    }
}

fn unavailable(error: DatabaseError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn failed(error: tokio_postgres::Error) -> StoreError {
    if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) {
        return StoreError::BadRequest("the job does not exist any more".to_owned());
    }
    unavailable(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_after_all_that_begin_with_it() {
        assert_eq!(end_of_prefix("user:"), Some("user;".to_owned()));
        assert_eq!(end_of_prefix("a\u{10ffff}"), Some("b".to_owned()));
        assert_eq!(end_of_prefix("\u{d7ff}"), Some("\u{e000}".to_owned()));
        assert_eq!(end_of_prefix(""), None);
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
        let end = end_of_prefix("é").unwrap();
        assert!("é\u{10ffff}\u{10ffff}" < end.as_str() && "ê" <= end.as_str());
    }

    #[test]
    fn keys_and_lifetimes_are_checked() {
        assert!(check_key("").is_err());
        assert!(check_key("a\0b").is_err());
        assert!(check_key(&"k".repeat(513)).is_err());
        assert!(check_key(&"k".repeat(512)).is_ok());
        assert!(expiry(Some(Duration::ZERO)).is_err());
        assert!(expiry(Some(Duration::MAX)).is_err());
        assert!(expiry(None).unwrap().is_none());
    }
}
