//! The key/value store of a job's functions (`context.setStore` and its kin).

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::domain::JobId;

/// Most bytes of one value.
pub const MAX_VALUE_BYTES: usize = 1_000_000;
/// Most bytes of one key.
pub const MAX_KEY_BYTES: usize = 512;

/// One stored item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its value.
    pub value: Bytes,
    /// When it goes by itself.
    pub expiry: Option<DateTime<Utc>>,
    /// When its key was first set since it was last absent.
    pub created: DateTime<Utc>,
    /// When it was last set.
    pub modified: DateTime<Utc>,
}

/// An item of a list, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemSummary {
    /// Its key.
    pub key: String,
    /// Bytes of its value.
    pub size: u64,
    /// When it goes by itself.
    pub expiry: Option<DateTime<Utc>>,
    /// When its key was first set since it was last absent.
    pub created: DateTime<Utc>,
    /// When it was last set.
    pub modified: DateTime<Utc>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemPage {
    /// In the order of their keys' bytes.
    pub items: Vec<ItemSummary>,
    /// Give this as `after` to go on; `None` at the end.
    pub next: Option<String>,
}

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The key is empty, too long, or the request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// The value is over [`MAX_VALUE_BYTES`].
    #[error("the value has {0} bytes; the limit is 1000000")]
    TooLarge(usize),
    /// `increment` on a value that is not a whole number.
    #[error("the value of this key is not a whole number")]
    NotANumber,
    /// The job has as much in the store as it may.
    #[error("the job's store is full")]
    Full,
    /// The storage did not answer.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

/// Per-job key/value storage with expiry.
#[async_trait]
pub trait FunctionStore: Send + Sync + 'static {
    /// The item of this key, unless it expired.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn get(&self, job: JobId, key: &str) -> Result<Option<Item>, StoreError>;

    /// Sets a value; `ttl` of `None` means for ever.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set(
        &self,
        job: JobId,
        key: &str,
        value: Bytes,
        ttl: Option<std::time::Duration>,
    ) -> Result<Item, StoreError>;

    /// Removes a key. `false` if it was not there.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete(&self, job: JobId, key: &str) -> Result<bool, StoreError>;

    /// Adds `by` to a whole number (0 when absent), atomically; returns the new value. `ttl` is applied when given.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn increment(
        &self,
        job: JobId,
        key: &str,
        by: i64,
        ttl: Option<std::time::Duration>,
    ) -> Result<i64, StoreError>;

    /// Sets `value` only if the present value is `expected` (`None`: only if absent). `false` if it was not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn compare_and_set(
        &self,
        job: JobId,
        key: &str,
        expected: Option<Bytes>,
        value: Bytes,
        ttl: Option<std::time::Duration>,
    ) -> Result<bool, StoreError>;

    /// Up to `limit` (at most 1,000) keys that begin with `prefix` and come after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(
        &self,
        job: JobId,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ItemPage, StoreError>;
}
