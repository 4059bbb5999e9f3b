//! The trace that an invocation belongs to (W3C Trace Context, level 1): taken from whoever asks for it, continued by the
//! function.
//!
//! Whether anybody records the trace makes no difference to the function: it is given a valid `traceparent` in any case, so
//! that an instrumented one continues its caller's trace, or the one that begins with its invocation.

mod ids;
mod parent;
mod span;
mod state;
#[cfg(test)]
mod tests;

pub use ids::{SpanId, TraceId};
pub use parent::{RemoteParent, Traceparent};
pub(crate) use span::InvocationSpan;
pub use span::{InvocationSpans, SharedRecorder, SpanRecorder};
pub use state::TraceState;

use crate::domain::InvocationId;
use crate::invocation::{Input, MqttInput};

/// The name of the header field, and of the user property of MQTT 5, that names a trace and a span of it.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the one that carries what vendors have to say besides.
pub const TRACESTATE: &str = "tracestate";

/// An invocation's place in a trace: a span of its own, which the function gets as its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The invocation's own span.
    pub span: SpanId,
    /// The caller's span; nothing where the trace begins here.
    pub parent: Option<SpanId>,
    /// Whether the caller may have recorded its span, so that those below it are worth recording. A trace that begins here
    /// is: what does not record leaves the decision to what does.
    pub sampled: bool,
    /// What vendors say of the trace; passed on as it came.
    pub state: Option<TraceState>,
}

impl TraceContext {
    /// The beginning of a new trace.
    #[must_use]
    pub fn root() -> Self {
        Self::beginning(TraceId::random())
    }

    /// The beginning of the trace that belongs to this invocation: the same for each of its attempts.
    #[must_use]
    pub fn root_of(invocation: InvocationId) -> Self {
        Self::beginning(TraceId::of(invocation))
    }

    fn beginning(trace: TraceId) -> Self {
        Self {
            trace,
            span: SpanId::random(),
            parent: None,
            sampled: true,
            state: None,
        }
    }

    /// A new span below the caller's.
    #[must_use]
    pub fn child_of(parent: RemoteParent) -> Self {
        Self {
            trace: parent.trace,
            span: SpanId::random(),
            parent: Some(parent.span),
            sampled: parent.sampled,
            state: parent.state,
        }
    }

    /// Of an attempt at what no client waits for: a message or a request that names its sender's span continues that trace,
    /// everything else begins the invocation's own.
    #[must_use]
    pub fn of_input(invocation: InvocationId, input: &Input) -> Self {
        let parent = match input {
            Input::Mqtt { mqtt } => parent_of(mqtt),
            Input::Http { http } => named_in(&http.headers),
            Input::Schedule { .. } => None,
        };
        parent.map_or_else(|| Self::root_of(invocation), Self::child_of)
    }

    /// What the function gets.
    #[must_use]
    pub const fn traceparent(&self) -> Traceparent {
        Traceparent {
            trace: self.trace,
            span: self.span,
            sampled: self.sampled,
        }
    }
}

/// What a message's user properties name.
fn parent_of(message: &MqttInput) -> Option<RemoteParent> {
    named_in(&message.properties.user_properties)
}

fn named_in(fields: &[(String, String)]) -> Option<RemoteParent> {
    let values = |wanted: &'static str| {
        let named = fields.iter().filter(move |(name, _)| name == wanted);
        named.map(|(_, value)| value.as_str())
    };
    RemoteParent::parse(values(TRACEPARENT), values(TRACESTATE))
}
