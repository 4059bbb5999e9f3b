//! The ids of exported spans. Those of invocations are given: the function was told the same.

use std::cell::Cell;

use jobber_actors::trace::{SpanRecorder, TraceContext};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

thread_local! {
    /// The ids of the span that this thread begins just now.
    static GIVEN: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Gives a span the ids that were put down for it, and all others random ones.
#[derive(Debug)]
pub(super) struct GivenIds;

impl IdGenerator for GivenIds {
    fn new_trace_id(&self) -> TraceId {
        let given = GIVEN.get().map(|(trace, _)| trace);
        given.unwrap_or_else(|| RandomIdGenerator::default().new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        let given = GIVEN.get().map(|(_, span)| span);
        given.unwrap_or_else(|| RandomIdGenerator::default().new_span_id())
    }
}

/// Puts spans of invocations where they belong in their traces.
pub(super) struct Recorder;

impl SpanRecorder for Recorder {
    fn begin(&self, span: &Span, trace: &mut TraceContext) {
        let id = TraceId::from(trace.trace.number());
        if let Some(parent) = remote_parent(id, trace)
            && let Err(error) = span.set_parent(parent)
        {
            tracing::trace!(%error, "a span is not exported");
            return;
        }
        // The span begins, on this thread, when its context is asked for.
        GIVEN.set(Some((id, SpanId::from(trace.span.number()))));
        let begun = span.context();
        GIVEN.set(None);
        let begun = begun.span();
        if begun.span_context().is_valid() {
            trace.sampled = begun.span_context().is_sampled();
        }
    }
}

/// The caller's span.
fn remote_parent(trace_id: TraceId, trace: &TraceContext) -> Option<Context> {
    let flags = if trace.sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    // What is no state to them is passed on to the function all the same.
    let state = trace
        .state
        .as_ref()
        .and_then(|state| state.as_str().parse::<TraceState>().ok());
    let parent = SpanId::from(trace.parent?.number());
    let parent = SpanContext::new(trace_id, parent, flags, true, state.unwrap_or_default());
    Some(Context::new().with_remote_span_context(parent))
}
