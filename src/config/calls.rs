//! The options of asynchronous calls and of their callbacks.

use std::time::Duration;

use jobber_actors::manifest::ByteSize;

use super::parse::{bytes, duration, positive};
use super::reader::Reader;
use crate::callbacks::AllowedHosts;

/// Asynchronous calls and their callbacks.
#[derive(Clone, Debug)]
pub struct CallSection {
    /// Most bytes of a request's body.
    pub max_body: ByteSize,
    /// Most bytes of the body of a response that is kept.
    pub max_result: ByteSize,
    /// Most calls of one job that wait or have failed.
    pub max_waiting: u64,
    /// How long a call is kept after its end.
    pub retention: Duration,
    /// How long a request is known by its `Idempotency-Key`.
    pub key_lifetime: Duration,
    /// Longest wait for the end of a call.
    pub max_wait: Duration,
    /// Most clients that wait.
    pub max_waiters: usize,
    /// Where callbacks may go.
    pub callback_hosts: AllowedHosts,
    /// Longest time of one attempt at a callback.
    pub callback_timeout: Duration,
    /// Most attempts at a callback.
    pub callback_attempts: u32,
}

impl CallSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let max_body = reader.take("ASYNC_MAX_BODY", bytes);
        let max_result = reader.take("ASYNC_MAX_RESULT", bytes);
        let max_waiting = reader.take("ASYNC_MAX_WAITING", positive);
        let retention = reader.take("ASYNC_RETENTION", duration);
        let key_lifetime = reader.take("ASYNC_IDEMPOTENCY_TTL", some_time);
        let max_wait = reader.take("ASYNC_MAX_WAIT", duration);
        let max_waiters = reader.take("ASYNC_MAX_WAITERS", positive);
        let callback_hosts = reader.take("CALLBACK_ALLOWED_HOSTS", AllowedHosts::parse);
        let callback_timeout = reader.take("CALLBACK_TIMEOUT", some_time);
        let callback_attempts = reader.take("CALLBACK_MAX_ATTEMPTS", positive);
        Some(Self {
            max_body: max_body?,
            max_result: max_result?,
            max_waiting: max_waiting?,
            retention: retention?,
            key_lifetime: key_lifetime?,
            max_wait: max_wait?,
            max_waiters: max_waiters?,
            callback_hosts: callback_hosts?,
            callback_timeout: callback_timeout?,
            callback_attempts: callback_attempts?,
        })
    }
}

/// A duration that is not nothing.
fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        time => Ok(time),
    }
}
