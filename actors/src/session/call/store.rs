//! `store.…`: a function's key/value store.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::Refused;
use crate::domain::JobId;
use crate::ports::{FunctionStore, Item, StoreError};
use crate::protocol::CallHead;

/// Keys of one page, at most: so many of the longest keys, with every byte escaped, still fit into a frame.
const MAX_PAGE: u32 = 250;

/// What a call gives back: fields of the head, and the body.
type Answer = Result<(Value, Bytes), StoreError>;

/// Answers one call.
pub(super) async fn answer(store: &dyn FunctionStore, job: JobId, head: CallHead, body: Bytes) -> Answer {
    let ttl = head.ttl.map(lifetime).transpose()?;
    match head.method.as_str() {
        "store.get" => Ok(match store.get(job, &head.key).await? {
            Some(item) => {
                let mut fields = times(&item);
                fields["found"] = json!(true);
                (fields, item.value)
            }
            None => (json!({ "found": false }), Bytes::new()),
        }),
        "store.set" => {
            let item = store.set(job, &head.key, body, ttl).await?;
            Ok((times(&item), Bytes::new()))
        }
        "store.delete" => Ok((
            json!({ "found": store.delete(job, &head.key).await? }),
            Bytes::new(),
        )),
        "store.increment" => {
            let by = head.by.ok_or_else(|| bad("`by` must be a whole number"))?;
            Ok((
                json!({ "value": store.increment(job, &head.key, by, ttl).await? }),
                Bytes::new(),
            ))
        }
        "store.compareAndSet" => {
            let (expected, value) = split_expected(head.expected_length, body)?;
            let swapped = store
                .compare_and_set(job, &head.key, expected, value, ttl)
                .await?;
            Ok((json!({ "swapped": swapped }), Bytes::new()))
        }
        "store.list" => {
            let limit = head.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
            // The answer is the body: a page of long keys does not fit into a head.
            let page = store
                .list(job, &head.prefix, head.after.as_deref(), limit)
                .await?;
            let items: Vec<Value> = page
                .items
                .iter()
                .map(|item| {
                    json!({
                        "key": item.key, "size": item.size, "expiry": unix(item.expiry),
                        "created": unix(Some(item.created)), "modified": unix(Some(item.modified)),
                    })
                })
                .collect();
            let body = json!({ "items": items, "next": page.next });
            Ok((json!({}), Bytes::from(body.to_string())))
        }
        other => Err(StoreError::BadRequest(format!("unknown method {other:?}"))),
    }
}

fn bad(what: &str) -> StoreError {
    StoreError::BadRequest(what.to_owned())
}

fn lifetime(seconds: f64) -> Result<Duration, StoreError> {
    // A hundred years is for ever; more would overflow a date.
    const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;
    if !seconds.is_finite() || seconds <= 0.0 {
        return Err(bad("`ttl` must be a positive number of seconds"));
    }
    Ok(Duration::from_secs_f64(seconds.min(LONGEST)))
}

fn split_expected(length: Option<u64>, mut body: Bytes) -> Result<(Option<Bytes>, Bytes), StoreError> {
    let Some(length) = length else {
        return Ok((None, body));
    };
    match usize::try_from(length) {
        Ok(length) if length <= body.len() => {
            let expected = body.split_to(length);
            Ok((Some(expected), body))
        }
        _ => Err(bad("`expectedLength` is over the body's length")),
    }
}

fn unix(time: Option<DateTime<Utc>>) -> Value {
    time.map_or(Value::Null, |time| json!(time.timestamp()))
}

fn times(item: &Item) -> Value {
    json!({ "expiry": unix(item.expiry), "created": unix(Some(item.created)), "modified": unix(Some(item.modified)) })
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self {
            code: code_of(&error),
            message: error.to_string(),
        }
    }
}

fn code_of(error: &StoreError) -> &'static str {
    match error {
        StoreError::BadRequest(_) => "bad-request",
        StoreError::TooLarge(_) => "too-large",
        StoreError::NotANumber => "not-a-number",
        StoreError::Full => "store-full",
        StoreError::Unavailable(_) => "unavailable",
    }
}
