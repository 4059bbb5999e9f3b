//! One execution of a handler, from its admission to its answer.
//!
//! An [`Invocation`] carries everything that must not be lost with an actor: its input, its permit and its reply slot.
//! Dropping it anywhere answers the caller, so no caller ever hangs.

mod body;
mod by_hand;
mod outcome;
mod reply;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub use body::{BodyError, BodyReceiver, BodySender, InputBody, OutputBody, body_channel};
pub use by_hand::ByHand;
use chrono::{DateTime, SecondsFormat, Utc};
pub use outcome::{FunctionError, LostReason, Outcome, Refusal, ResponseHead, TimeoutPhase};
pub use reply::{Cancellation, PendingReply, ReplySlot, reply_channel};
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::Instant;

use crate::action::Permit;
use crate::domain::{InvocationId, TriggerId};
use crate::ledger;
use crate::manifest::QualityOfService;
use crate::ports::MessageProperties;
use crate::trace::{TRACEPARENT, TRACESTATE, TraceContext};

/// What a handler gets, and everything needed to answer its caller.
#[derive(Debug)]
pub struct Invocation {
    /// Its id; also in the `X-Jobber-Invocation` header.
    pub id: InvocationId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Its place in a trace.
    pub trace: TraceContext,
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

impl Invocation {
    /// Answers the caller of what no runner has got. Its place is free before the answer is heard.
    pub(crate) fn answer(self, outcome: Outcome) {
        let Self {
            input,
            body,
            mut reply,
            permit,
            ..
        } = self;
        drop(permit);
        if let Some(entry) = reply.entry() {
            entry.keep_input(input, ledger::whole(&body));
        }
        reply.answer(outcome);
    }
}

/// Which trigger an invocation came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TriggerRef {
    /// The trigger.
    pub id: TriggerId,
    /// Its `name`, if the package gave one.
    pub name: Option<Arc<str>>,
}

/// What kind of event started the invocation, in the protocol's own terms (see `docs/reference/protocol.md` §5).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Input {
    /// An HTTP request.
    Http {
        /// The request; apart, because invocations are handed on many times.
        http: Box<HttpInput>,
    },
    /// A message of an MQTT broker.
    Mqtt {
        /// The message; shared, because it is kept for the case that the handler fails.
        mqtt: Arc<MqttInput>,
    },
    /// An instant of a schedule.
    Schedule {
        /// The instant.
        schedule: ScheduleInput,
    },
}

impl Input {
    /// The [`kind`](Self::kind) of a request.
    pub const HTTP: &'static str = "http";
    /// The kind of a message.
    pub const MQTT: &'static str = "mqtt";
    /// The kind of an instant.
    pub const SCHEDULE: &'static str = "schedule";

    /// Without the fields of a request that name its client's span: the function gets those of the invocation.
    pub(crate) fn without_trace(mut self) -> Self {
        if let Self::Http { http } = &mut self {
            http.headers
                .retain(|(name, _)| name != TRACEPARENT && name != TRACESTATE);
        }
        self
    }

    /// What started the invocation.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Http { .. } => Self::HTTP,
            Self::Mqtt { .. } => Self::MQTT,
            Self::Schedule { .. } => Self::SCHEDULE,
        }
    }
}

/// An HTTP request without its body.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HttpInput {
    /// `GET`, upper case.
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// `http` or `https`.
    pub scheme: Cow<'static, str>,
    /// Host and port as the client named them.
    pub authority: String,
    /// Lower-cased names with their values; repeated ones are repeated in their order.
    pub headers: Vec<(String, String)>,
    /// The route's parameters.
    pub params: std::collections::BTreeMap<String, String>,
    /// The client's address.
    pub ip: std::net::IpAddr,
    /// Bytes of the body, if the client said how many.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub size: Option<u64>,
}

/// An MQTT message without its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MqttInput {
    /// The topic that it came on.
    pub topic: String,
    /// The quality of service with which it came.
    pub qos: QualityOfService,
    /// Whether the broker had kept it.
    pub retain: bool,
    /// Whether it may have come before.
    pub duplicate: bool,
    /// Its properties, of MQTT 5.
    #[serde(default)]
    pub properties: MessageProperties,
}

/// An instant of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleInput {
    /// When it was due.
    #[serde(serialize_with = "to_milliseconds")]
    pub scheduled_at: DateTime<Utc>,
}

/// RFC 3339 with three digits of a second: what a `Date` of JavaScript holds.
fn to_milliseconds<S: Serializer>(instant: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&instant.to_rfc3339_opts(SecondsFormat::Millis, true))
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
