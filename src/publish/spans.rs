//! What publishing tells in spans, for whoever asks for them.

use std::fmt::Display;

use tracing::Span;
use tracing::field::{Empty, display};

/// The span of one archive's way, from its upload until its version serves.
pub(super) fn publish() -> Span {
    tracing::debug_span!(
        target: "jobber::publish",
        "publish",
        jobber.job = Empty,
        jobber.version = Empty,
        jobber.outcome = Empty,
        otel.status_code = Empty,
    )
}

/// The package in the archive turned out to be this.
pub(super) fn package(job: &str, version: &str) {
    let span = Span::current();
    span.record("jobber.job", job);
    span.record("jobber.version", version);
}

/// The span of making a version the active one.
pub(super) fn deploy(job: impl Display, version: impl Display) -> Span {
    tracing::debug_span!(
        target: "jobber::deploy",
        "deploy",
        jobber.job.id = %job,
        jobber.version.id = %version,
        jobber.outcome = Empty,
        otel.status_code = Empty,
    )
}

/// The work of the current span came to this.
pub(super) fn ended<T, E: Display>(result: Result<T, E>) -> Result<T, E> {
    let span = Span::current();
    match &result {
        Ok(_) => drop(span.record("jobber.outcome", "done")),
        Err(error) => {
            span.record("jobber.outcome", display(error));
            span.record("otel.status_code", "ERROR");
        }
    }
    result
}
