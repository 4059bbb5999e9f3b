//! The durable queue: invocations that must happen although nobody waits for them, one row each.
//!
//! A row is *due* at some instant, is *claimed* by one server under a lease, and is settled by it: removed, due again, or a
//! dead letter. Each claim makes a new *token*; whatever is said with an older one has no effect, so a server that comes back
//! late does no harm.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{InvocationId, JobId, ServerId, TriggerId};
use crate::invocation::{FunctionError, Input, ResponseHead};

/// One invocation, as the queue keeps it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The invocation's id, the same for all attempts.
    pub id: InvocationId,
    /// Whose function.
    pub job: JobId,
    /// The trigger that started it.
    pub trigger: TriggerId,
    /// The trigger's name, if the package gave one.
    pub trigger_name: Option<Arc<str>>,
    /// What the trigger has to say.
    pub input: Input,
    /// The input's body.
    pub body: Bytes,
    /// What was tried so far.
    pub tries: Tries,
}

/// What was tried of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tries {
    /// How often the handler failed or took too long.
    pub failed: u32,
    /// How often its runner, or its server, was lost while the handler worked.
    pub lost: u32,
}

impl Tries {
    /// The number of the next attempt; 1 is the first.
    #[must_use]
    pub const fn next_attempt(self) -> u32 {
        self.failed.saturating_add(self.lost).saturating_add(1)
    }
}

/// Why a delivery's last attempt came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryFailure {
    /// A stable code: `function-failed`, `timed-out`, `runner-lost`, `too-large`; of a request also `invalid-response`,
    /// `response-cut-short`, `response-too-large`.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// What the handler threw, if it did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<FunctionError>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is to be delivered, then or later.
    Due(DateTime<Utc>),
    /// It is given up: a dead letter, until a person decides.
    Dead,
}

/// A delivery that is to be kept.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// What.
    pub delivery: Delivery,
    /// Where it stands.
    pub standing: Standing,
    /// Why its last attempt failed, if there was one.
    pub failure: Option<DeliveryFailure>,
}

/// Fences a claim against later ones of the same row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimToken(pub i64);

/// A delivery in this server's hands.
#[derive(Clone, Debug)]
pub struct ClaimedDelivery {
    /// What.
    pub delivery: Delivery,
    /// What proves the claim.
    pub token: ClaimToken,
}

/// A handler's whole answer to a request for which nobody waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status and header.
    pub head: ResponseHead,
    /// All of the body.
    pub body: Bytes,
}

/// What becomes of a claimed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which.
    pub id: InvocationId,
    /// The claim that is settled.
    pub token: ClaimToken,
    /// What it comes to.
    pub verdict: Verdict,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The handler did it: the row goes.
    Done,
    /// The handler answered a request: the row goes, and whoever asked gets the answer.
    Answered(Box<Answer>),
    /// It was not run, and is due again without counting as tried.
    Postponed(DateTime<Utc>),
    /// It was recorded before its instant, at which nobody wanted it any more: it goes, and so does the record of the instant.
    Withdrawn,
    /// It failed, and is tried again.
    Retried {
        /// When.
        due: DateTime<Utc>,
        /// What was tried, this attempt included.
        tries: Tries,
        /// Why.
        failure: DeliveryFailure,
    },
    /// It failed for good.
    Dead {
        /// What was tried, this attempt included.
        tries: Tries,
        /// Why.
        failure: DeliveryFailure,
    },
}

/// Why the queue did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The storage did not answer or refused. It can be tried again.
    #[error("the durable queue does not answer: {0}")]
    Unavailable(String),
}

/// What became of a delivery that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is there (or was already).
    Yes,
    /// The job has as much in the queue as it may.
    JobFull,
    /// The job is gone, and everything of it.
    JobGone,
}

/// A job that can take deliveries now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Which.
    pub job: JobId,
    /// How many.
    pub deliveries: u32,
}

/// Invocations that survive the server.
#[async_trait]
pub trait DurableQueue: Send + Sync + 'static {
    /// Keeps deliveries. Each is kept whole or not at all; one that is there already is left as it is. The answers are in the
    /// order of the deliveries.
    ///
    /// # Errors
    /// [`QueueError`]; then it is not known which were kept, and keeping them again does no harm.
    async fn keep(&self, deliveries: &[NewDelivery]) -> Result<Vec<Kept>, QueueError>;

    /// Takes deliveries that are due, the longest due first: of each job as many as it has room for, and `most` of all of them.
    /// Those whose lease has run out are among them; they count as lost once more.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn claim(
        &self,
        server: ServerId,
        room: &[Room],
        most: u32,
        lease: Duration,
    ) -> Result<Vec<ClaimedDelivery>, QueueError>;

    /// When something of these jobs is due next, from now on or overdue. `None` if nothing is.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn next_due(&self, jobs: &[JobId]) -> Result<Option<DateTime<Utc>>, QueueError>;

    /// Keeps claims for another lease. Gives those that are not this server's any more.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn extend(
        &self,
        claims: &[(InvocationId, ClaimToken)],
        lease: Duration,
    ) -> Result<Vec<InvocationId>, QueueError>;

    /// Settles claims. Those with an old token have no effect.
    ///
    /// # Errors
    /// [`QueueError`]; settling them again does no harm.
    async fn settle(&self, settlements: &[Settlement]) -> Result<(), QueueError>;

    /// Gives back whatever an earlier life of this instance had claimed: it is due at once, and counts as lost once more.
    /// Returns how many those were.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn recover(&self, server: ServerId) -> Result<u64, QueueError>;
}
