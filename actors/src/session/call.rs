//! What a runner asks of the manager: the key/value store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::reader::Violation;
use super::{Session, SessionContext};
use crate::domain::JobId;
use crate::ports::{FunctionStore, Item, StoreError};
use crate::protocol::{CallHead, Flags, Frame, FrameKind};

/// Most calls of one runner at once.
pub(super) const MAX_OPEN_CALLS: usize = 64;
/// Keys of one page, at most: so many of the longest keys, with every byte escaped, still fit into a frame.
const MAX_PAGE: u32 = 250;

/// What a call gives back: fields of the head, and the body.
type Answer = Result<(Value, Bytes), StoreError>;

/// Begins to answer a call, in a task of its own.
pub(super) fn start(session: &Session, frame: Frame) -> Result<(), Violation> {
    let head: CallHead = frame.head()?;
    let permit = Arc::clone(&session.calls)
        .try_acquire_owned()
        .map_err(|_| Violation::TooManyCalls)?;
    let (Some(assigned), Some(session)) = (session.assigned(), session.me.upgrade()) else {
        return Err(Violation::NotAllowed {
            kind: "CALL",
            state: "before ASSIGN",
        });
    };
    let body = Bytes::copy_from_slice(&frame.body);
    let SessionContext { tasks, io, .. } = session.context.clone();
    tasks.spawn_on(&io, "runner call", async move {
        let answer = answer(&*session.context.functions, assigned.job, head, body).await;
        if session.outbound.room().await.is_ok() {
            // Before the answer: the runner may take it as leave to make the next call.
            drop(permit);
            session.send_result(frame.stream, answer);
        }
    });
    Ok(())
}

async fn answer(store: &dyn FunctionStore, job: JobId, head: CallHead, body: Bytes) -> Answer {
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

#[derive(Serialize)]
struct Done {
    ok: bool,
    #[serde(flatten)]
    fields: Value,
}

#[derive(Serialize)]
struct Refused {
    ok: bool,
    code: &'static str,
    message: String,
}

impl Session {
    fn send_result(&self, stream: u32, answer: Answer) {
        let written = match answer {
            Ok((fields, body)) => self.outbound.frame(
                FrameKind::Result,
                Flags::END,
                stream,
                &Done { ok: true, fields },
                &body,
            ),
            Err(error) => {
                let refused = Refused {
                    ok: false,
                    code: code_of(&error),
                    message: error.to_string(),
                };
                self.outbound
                    .frame(FrameKind::Result, Flags::END, stream, &refused, &[])
            }
        };
        if let Err(error) = written {
            tracing::trace!(runner = %self.runner, %error, "the session ended before a call's answer");
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
