//! Asynchronous calls in Postgres: accepting, finding, cancelling and forgetting them, and their callbacks. What the rows mean is in
//! `migrations/V0010__async_calls.sql`. The durable queue writes how they end.

mod callbacks;
mod find;
mod submit;
mod upkeep;

use std::time::Duration;

pub use callbacks::{CallbackAttempt, CallbackEnd, DueCallback};
pub use find::{Cancelled, StoredCall, StoredState};
use jobber_actors::domain::{InvocationId, JobId};
use jobber_actors::invocation::{HttpInput, TriggerRef};

use super::database::Database;
use super::durable_queue::QueueLimits;

/// What a client calls its request, so that it is known when it comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The client's name for it, unique within the job.
    pub key: String,
    /// What it is made of.
    pub fingerprint: [u8; 32],
}

/// A call that is to be accepted.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// The invocation's id.
    pub id: InvocationId,
    /// Whose function.
    pub job: JobId,
    /// The trigger whose route it took.
    pub trigger: TriggerRef,
    /// The request without its body.
    pub request: HttpInput,
    /// All of the body.
    pub body: bytes::Bytes,
    /// What the client calls it.
    pub key: Option<RequestKey>,
    /// Where the result is to be posted.
    pub callback: Option<String>,
}

/// What became of a call that was to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is there, and will be made.
    Accepted,
    /// The same request was accepted before, as this call.
    Known(InvocationId),
    /// Another request has the same key.
    KeyReused,
    /// The job has as much in the queue as it may.
    JobFull,
    /// The job is gone.
    JobGone,
}

/// How much may wait, and for how long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// What a job may have in the durable queue, of whatever kind.
    pub queue: QueueLimits,
    /// How many calls of a job may be in it, those that have failed included.
    pub waiting: u64,
    /// How long a request is known by its key.
    pub key_lifetime: Duration,
    /// How long a call is kept after its end.
    pub retention: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            queue: QueueLimits::default(),
            waiting: 20_000,
            key_lifetime: Duration::from_secs(24 * 3600),
            retention: Duration::from_secs(24 * 3600),
        }
    }
}

/// The asynchronous calls in Postgres. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallStore {
    database: Database,
    limits: CallLimits,
}

impl CallStore {
    /// The calls in this database.
    #[must_use]
    pub fn new(database: Database, limits: CallLimits) -> Self {
        Self { database, limits }
    }
}
