//! The spans of invocations, for whoever records them.
//!
//! They are spans of the crate `tracing` with the target `jobber::invocation`. Where neither the log's filter nor a recorder wants
//! them, an invocation pays for one look at a flag.

use std::sync::Arc;

use tracing::Span;
use tracing::field::{Empty, display};

use super::TraceContext;
use crate::domain::RunnerId;
use crate::invocation::{Input, Invocation, Outcome};
use crate::metrics::Ending;

/// Records spans outside of this process.
pub trait SpanRecorder: Send + Sync + 'static {
    /// A span begins, at this place in its trace. Says in `trace` whether it is recorded, for those below it.
    fn begin(&self, span: &Span, trace: &mut TraceContext);
}

/// The recorder, if there is one.
pub type SharedRecorder = Option<Arc<dyn SpanRecorder>>;

/// What the spans of one action's invocations say, and who records them.
#[derive(Clone, Default)]
pub struct InvocationSpans {
    /// The job's name.
    pub job: Arc<str>,
    /// The version's name.
    pub version: Arc<str>,
    /// Who records them.
    pub recorder: SharedRecorder,
}

impl InvocationSpans {
    /// Begins the span of an invocation, which ends with its answer.
    pub(crate) fn begin(&self, invocation: &mut Invocation) {
        let span = tracing::debug_span!(
            target: "jobber::invocation",
            parent: None,
            "invocation",
            otel.name = %format_args!("invoke {}", self.job),
            otel.kind = kind(&invocation.input),
            otel.status_code = Empty,
            faas.name = %self.job,
            faas.version = %self.version,
            faas.invocation_id = %invocation.id,
            faas.trigger = trigger(&invocation.input),
            http.request.method = Empty,
            http.response.status_code = Empty,
            messaging.destination.name = Empty,
            jobber.trigger = invocation.trigger.name.as_deref(),
            jobber.attempt = invocation.attempt,
            jobber.runner = Empty,
            jobber.outcome = Empty,
            error.type = Empty,
        );
        if span.is_disabled() {
            return;
        }
        match &invocation.input {
            Input::Http { http } => drop(span.record("http.request.method", http.method.as_str())),
            Input::Mqtt { mqtt } => drop(span.record("messaging.destination.name", mqtt.topic.as_str())),
            Input::Schedule { .. } => {}
        }
        if let Some(recorder) = &self.recorder {
            recorder.begin(&span, &mut invocation.trace);
        }
        invocation.reply.watch(InvocationSpan(span));
    }
}

/// What OpenTelemetry calls these kinds of spans.
fn kind(input: &Input) -> &'static str {
    match input {
        Input::Http { .. } => "server",
        Input::Mqtt { .. } => "consumer",
        Input::Schedule { .. } => "internal",
    }
}

/// What OpenTelemetry calls what starts functions.
fn trigger(input: &Input) -> &'static str {
    match input {
        Input::Http { .. } => "http",
        Input::Mqtt { .. } => "pubsub",
        Input::Schedule { .. } => "timer",
    }
}

/// The span of one invocation. Nothing, if nobody wants it.
#[derive(Clone, Debug)]
pub(crate) struct InvocationSpan(Span);

impl Default for InvocationSpan {
    fn default() -> Self {
        Self(Span::none())
    }
}

impl InvocationSpan {
    /// It is given to this runner.
    pub(crate) fn given_to(&self, runner: RunnerId) {
        if !self.0.is_disabled() {
            self.0.record("jobber.runner", display(runner));
        }
    }

    /// It is answered: the span ends with the last that holds it.
    pub(crate) fn answered(&self, outcome: &Outcome) {
        if self.0.is_disabled() {
            return;
        }
        let ending = Ending::of(outcome);
        self.0.record("jobber.outcome", ending.name());
        let mut failed = ending != Ending::Succeeded;
        match outcome {
            Outcome::Responded { head, .. } => {
                self.0.record("http.response.status_code", head.status);
                failed = head.status >= 500;
            }
            Outcome::Failed(error) => drop(self.0.record("error.type", error.name.as_str())),
            _ => {}
        }
        if failed {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}
