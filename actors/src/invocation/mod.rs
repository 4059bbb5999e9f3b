//! One execution of a handler, from its admission to its answer.
//!
//! An [`Invocation`] carries everything that must not be lost with an actor: its input, its permit and its reply slot.
//! Dropping it anywhere answers the caller, so no caller ever hangs.

mod body;
mod outcome;
mod reply;

use std::sync::Arc;
use std::time::Duration;

pub use body::{BodyError, BodyReceiver, BodySender, InputBody, OutputBody, body_channel};
pub use outcome::{FunctionError, LostReason, Outcome, Refusal, ResponseHead, TimeoutPhase};
pub use reply::{Cancellation, PendingReply, ReplySlot, reply_channel};
use serde::Serialize;
use tokio::time::Instant;

use crate::action::Permit;
use crate::domain::{InvocationId, TriggerId};

/// What a handler gets, and everything needed to answer its caller.
#[derive(Debug)]
pub struct Invocation {
    /// Its id; also in the `X-Jobber-Invocation` header.
    pub id: InvocationId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The trigger that started it.
    pub trigger: TriggerRef,
    /// What the trigger has to say.
    pub input: Input,
    /// The input's body.
    pub body: InputBody,
    /// When it was admitted.
    pub admitted: Instant,
    /// Answers the caller; says "lost" when it is dropped.
    pub reply: ReplySlot,
    /// Its place in the action's lane; given back when it is dropped.
    pub permit: Permit,
}

/// Which trigger an invocation came from.
#[derive(Clone, Debug, Serialize)]
pub struct TriggerRef {
    /// The trigger.
    pub id: TriggerId,
    /// Its `name`, if the package gave one.
    pub name: Option<Arc<str>>,
}

/// What kind of event started the invocation, in the protocol's own terms (see `docs/reference/protocol.md` §5).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Input {
    /// An HTTP request.
    Http {
        /// The request.
        http: HttpInput,
    },
}

/// An HTTP request without its body.
#[derive(Clone, Debug, Serialize)]
pub struct HttpInput {
    /// `GET`, upper case.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port as the client named them.
    pub authority: String,
    /// Lower-cased names with their values; repeated ones are repeated in their order.
    pub headers: Vec<(String, String)>,
    /// The route's parameters.
    pub params: std::collections::BTreeMap<String, String>,
    /// The client's address.
    pub ip: std::net::IpAddr,
    /// Bytes of the body, if the client said how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// How long things may take; from the action's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvocationLimits {
    /// Longest wait for a runner.
    pub queue_wait: Duration,
    /// Longest run of a handler.
    pub timeout: Duration,
    /// How long a handler that was told to stop may take to let go before its runner is killed.
    pub cancel_grace: Duration,
}
