//! The functions' key/value store in memory, with the meaning of the real one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;

use super::locked;
use crate::domain::JobId;
use crate::ports::{FunctionStore, Item, ItemPage, ItemSummary, MAX_KEY_BYTES, MAX_VALUE_BYTES, StoreError};

type Items = BTreeMap<(JobId, String), Item>;

/// A key/value store that forgets everything with the test.
#[derive(Debug, Default)]
pub struct FakeFunctionStore(Mutex<Items>);

fn check(key: &str, value: &[u8]) -> Result<(), StoreError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(StoreError::BadRequest("a key has 1 to 512 bytes".into()));
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(StoreError::TooLarge(value.len()));
    }
    Ok(())
}

fn present<'a>(items: &'a Items, job: JobId, key: &str) -> Option<&'a Item> {
    items
        .get(&(job, key.to_owned()))
        .filter(|item| item.expiry.is_none_or(|expiry| expiry > Utc::now()))
}

fn put(items: &mut Items, job: JobId, key: &str, value: Bytes, ttl: Option<Duration>) -> Item {
    let now = Utc::now();
    let item = Item {
        value,
        expiry: ttl.and_then(|ttl| now.checked_add_signed(chrono::Duration::from_std(ttl).ok()?)),
        created: present(items, job, key).map_or(now, |item| item.created),
        modified: now,
    };
    items.insert((job, key.to_owned()), item.clone());
    item
}

#[async_trait]
impl FunctionStore for FakeFunctionStore {
    async fn get(&self, job: JobId, key: &str) -> Result<Option<Item>, StoreError> {
        check(key, &[])?;
        Ok(present(&locked(&self.0), job, key).cloned())
    }

    async fn set(
        &self,
        job: JobId,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<Item, StoreError> {
        check(key, &value)?;
        Ok(put(&mut locked(&self.0), job, key, value, ttl))
    }

    async fn delete(&self, job: JobId, key: &str) -> Result<bool, StoreError> {
        check(key, &[])?;
        let mut items = locked(&self.0);
        let found = present(&items, job, key).is_some();
        items.remove(&(job, key.to_owned()));
        Ok(found)
    }

    async fn increment(
        &self,
        job: JobId,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, StoreError> {
        check(key, &[])?;
        let mut items = locked(&self.0);
        let before = present(&items, job, key).cloned();
        let number = match &before {
            None => 0,
            Some(item) => std::str::from_utf8(&item.value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .ok_or(StoreError::NotANumber)?,
        };
        let number = number.checked_add(by).ok_or(StoreError::NotANumber)?;
        let mut item = put(&mut items, job, key, Bytes::from(number.to_string()), ttl);
        if let (None, Some(before)) = (ttl, before) {
            item.expiry = before.expiry;
            items.insert((job, key.to_owned()), item);
        }
        Ok(number)
    }

    async fn compare_and_set(
        &self,
        job: JobId,
        key: &str,
        expected: Option<Bytes>,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        check(key, &value)?;
        let mut items = locked(&self.0);
        let matches = present(&items, job, key).map(|item| item.value.clone()) == expected;
        if matches {
            put(&mut items, job, key, value, ttl);
        }
        Ok(matches)
    }

    async fn list(
        &self,
        job: JobId,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ItemPage, StoreError> {
        let items = locked(&self.0);
        let mut found = items
            .iter()
            .filter(|((owner, key), _)| *owner == job && key.starts_with(prefix))
            .filter(|((_, key), _)| after.is_none_or(|after| key.as_str() > after))
            .filter(|((_, key), _)| present(&items, job, key).is_some())
            .map(|((_, key), item)| ItemSummary {
                key: key.clone(),
                size: item.value.len() as u64,
                expiry: item.expiry,
                created: item.created,
                modified: item.modified,
            });
        let page: Vec<ItemSummary> = found.by_ref().take(limit as usize).collect();
        let more = found.next().is_some();
        let next = page.last().filter(|_| more).map(|item| item.key.clone());
        Ok(ItemPage { items: page, next })
    }
}
