//! What doing an invocation again and trying a version out have in common.

use std::time::Duration;

use actix_web::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jobber_actors::domain::{JobId, VersionId};
use jobber_actors::invocation::Refusal;
use jobber_actors::job::PrepareError;
use jobber_actors::tree::{Begin, BeginError, Begun};

use crate::api::problem::ApiError;
use crate::api::publish::problem_of;
use crate::api::state::ApiState;
use crate::publish::PublishError;
use crate::store::JobStatus;

/// Begins an invocation that a person has asked for.
pub(in crate::api) async fn begin(state: &ApiState, begin: Begin) -> Result<Begun, ApiError> {
    let (job, version) = (begin.job, begin.version);
    let deadline = state.publisher.prepare_deadline();
    let begun = state.tree.begin_by_hand(begin, deadline).await;
    begun.map_err(|error| match error {
        BeginError::NotServed => not_served(),
        BeginError::NotReady(error) => not_ready(error, job, version, deadline),
        BeginError::Refused(refusal) => refused(&refusal),
    })
}

/// A version can be tried out that does not serve, but not one of a job that is to run nothing.
pub(in crate::api) async fn runnable(
    state: &ApiState,
    job: JobId,
    version: VersionId,
) -> Result<(), ApiError> {
    let known = state.jobs.find(&job.to_string()).await?;
    if !known.is_some_and(|job| job.status == JobStatus::Enabled) {
        return Err(not_served());
    }
    let found = state.jobs.version(job, version).await?;
    found.map(drop).ok_or_else(no_version)
}

/// A body that is given as text or in base64, in fields that are called like this; `None` if it is not given.
pub(in crate::api) fn body_of(
    (text, encoded): (Option<&str>, Option<&str>),
    (text_field, encoded_field): (&str, &str),
) -> Result<Option<Vec<u8>>, ApiError> {
    match (text, encoded) {
        (Some(_), Some(_)) => {
            let other = text_field.rsplit('/').next().unwrap_or_default();
            let message = format!("can not be given together with {other}");
            Err(ApiError::invalid(encoded_field, "conflict", message))
        }
        (Some(text), None) => Ok(Some(text.as_bytes().to_vec())),
        (None, Some(encoded)) => STANDARD
            .decode(encoded)
            .map(Some)
            .map_err(|error| ApiError::invalid(encoded_field, "invalid", format!("is no base64: {error}"))),
        (None, None) => Ok(None),
    }
}

pub(in crate::api) fn no_version() -> ApiError {
    problem_of(PublishError::NoSuchVersion)
}

pub(in crate::api) fn not_served() -> ApiError {
    let detail = "no version of the job serves now: it is disabled, removed, or has none";
    ApiError::new(StatusCode::CONFLICT, "job-not-served", detail)
}

fn refused(refusal: &Refusal) -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "invocation-refused",
        refusal.to_string(),
    )
}

/// Why a version can not be tried out is told as when it can not be published.
fn not_ready(error: PrepareError, job: JobId, version: Option<VersionId>, deadline: Duration) -> ApiError {
    problem_of(match (error, version) {
        (PrepareError::LoadFailed(error), Some(version)) => PublishError::ImportFailed {
            job,
            version,
            error: Box::new(error),
        },
        (PrepareError::Engine(reason), _) => PublishError::NoRunner(reason),
        (PrepareError::TimedOut, _) => PublishError::ImportTimedOut(deadline),
        (error, _) => PublishError::Unavailable(error.to_string()),
    })
}
