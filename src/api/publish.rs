//! `POST /api/job/publish`: takes the upload to disk and tells what publishing came to.

use std::io::ErrorKind;
use std::time::Duration;

use actix_multipart::{Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{Stream, StreamExt, TryStreamExt};
use jobber_actors::manifest::{ManifestErrors, Severity};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::access::{Access, Change, note_change};
use super::input::Query;
use super::problem::{ApiError, FieldError};
use super::reply::{self, Data};
use super::schemas::{Archive, PublishForm};
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::archive::{ArchiveRefusal, Upload, UploadError, UploadWriter};
use crate::publish::{PublishError, PublishOptions, Published};

/// The part of the form that holds the zip.
const ARCHIVE_PART: &str = "archive";
/// What a form may have beside the archive: boundaries, headers and other, small parts.
const FORM_BYTES: u64 = 64 << 10;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// `false` keeps the version without activating it.
    #[serde(default = "yes")]
    #[param(default = true)]
    allow_automatic_rollout: bool,
    /// `true` activates the version even if it can not be imported.
    #[serde(default)]
    #[param(default = false)]
    force: bool,
}

fn yes() -> bool {
    true
}

/// Publishes a package, and answers once it serves.
#[utoipa::path(
    post, path = "/api/job/publish", operation_id = "publishJob",
    params(Parameters),
    request_body(content((PublishForm = "multipart/form-data"), (Archive = "application/zip"))),
    tag = "jobs",
    responses(
        (status = 200, body = Data<Published>),
        (status = 408), (status = 409), (status = 413), (status = 415), (status = 422), (status = 504), (status = 507),
    ),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/-/publish"}))),
)]
pub(super) async fn publish(
    state: web::Data<ApiState>,
    access: Access,
    Query(parameters): Query<Parameters>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    access.require(Action::Write, &Resource::of("job").below("-").below("publish"))?;
    let upload = {
        let Ok(_slot) = state.uploads.try_acquire() else {
            return Err(ApiError::busy("too many packages are being uploaded"));
        };
        receive(&state, &request, payload).await?
    };
    let options = PublishOptions {
        activate: parameters.allow_automatic_rollout,
        force: parameters.force,
        by: access.published_by(),
    };
    let published = state
        .publisher
        .publish(upload, options)
        .await
        .map_err(problem_of)?;
    note_change(&request, Change::made(&published));
    Ok(reply::data(published))
}

async fn receive(state: &ApiState, request: &HttpRequest, payload: web::Payload) -> Result<Upload, ApiError> {
    let mut writer = state
        .publisher
        .upload()
        .await
        .map_err(|error| problem_of(error.into()))?;
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > writer.limit().saturating_add(FORM_BYTES)) {
        // Said before anything is read: a client that waits for `100 Continue` sends nothing at all.
        return Err(problem_of(
            ArchiveRefusal::PackedTooLarge {
                limit: writer.limit(),
            }
            .into(),
        ));
    }
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let silence = state.config.upload_silence;
    match media_type.as_str() {
        "application/zip" | "application/x-zip-compressed" | "application/octet-stream" => {
            let body = payload.map_err(|error: PayloadError| Interrupted(error.to_string()));
            copy(body, &mut writer, silence).await?;
        }
        form if form.starts_with("multipart/") => {
            find_archive(Multipart::new(request.headers(), payload), &mut writer, silence).await?;
        }
        _ => {
            let detail = "send the zip as the part `archive` of a multipart form, or as application/zip";
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                detail,
            ));
        }
    }
    writer.finish().await.map_err(refused)
}

/// Writes the archive's part, and passes over all others.
async fn find_archive(
    mut form: Multipart,
    writer: &mut UploadWriter,
    silence: Duration,
) -> Result<(), ApiError> {
    let broken = |error: &MultipartError| {
        let detail = format!("the form can not be read: {error}");
        ApiError::new(StatusCode::BAD_REQUEST, "upload-interrupted", detail)
    };
    let mut found = false;
    let mut passed_over = 0;
    while let Some(part) = timeout(silence, form.next()).await.map_err(|_| silent(silence))? {
        let mut part = part.map_err(|error| broken(&error))?;
        if part.name() == Some(ARCHIVE_PART) && !found {
            found = true;
            let body = part.map_err(|error| Interrupted(error.to_string()));
            copy(body, writer, silence).await?;
            continue;
        }
        while let Some(bytes) = timeout(silence, part.next()).await.map_err(|_| silent(silence))? {
            passed_over += bytes.map_err(|error| broken(&error))?.len() as u64;
            if passed_over > FORM_BYTES {
                return Err(ApiError::bad_request("the form has large parts beside `archive`"));
            }
        }
    }
    if found {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::BAD_REQUEST,
        "archive-missing",
        "the form has no part named `archive`",
    ))
}

/// The connection ended, or what came over it was no proper body.
struct Interrupted(String);

async fn copy(
    body: impl Stream<Item = Result<Bytes, Interrupted>>,
    writer: &mut UploadWriter,
    silence: Duration,
) -> Result<(), ApiError> {
    let mut body = std::pin::pin!(body);
    while let Some(bytes) = timeout(silence, body.next()).await.map_err(|_| silent(silence))? {
        let bytes = bytes.map_err(|Interrupted(reason)| {
            let detail = format!("the upload ended early: {reason}");
            ApiError::new(StatusCode::BAD_REQUEST, "upload-interrupted", detail)
        })?;
        if let Err(error) = writer.write(&bytes).await {
            // Many clients send all before they look for an answer, and take a closed connection for a server that is gone.
            pass_over(body, writer.limit(), silence).await;
            return Err(refused(error));
        }
    }
    Ok(())
}

/// Reads what is left of a body that is refused, as far as a package may reach. How that ends is of no interest.
async fn pass_over(
    mut body: std::pin::Pin<&mut impl Stream<Item = Result<Bytes, Interrupted>>>,
    limit: u64,
    silence: Duration,
) {
    let mut left = limit;
    while let Ok(Some(Ok(bytes))) = timeout(silence, body.next()).await {
        left = left.saturating_sub(bytes.len() as u64);
        if left == 0 {
            return;
        }
    }
}

fn silent(silence: Duration) -> ApiError {
    let detail = format!("nothing of the upload came for {} s", silence.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "upload-silent", detail)
}

fn refused(error: UploadError) -> ApiError {
    problem_of(match error {
        UploadError::Refused(refusal) => refusal.into(),
        UploadError::Io(error) => error.into(),
    })
}

/// Every way in which publishing fails, as the API tells it.
pub(super) fn problem_of(error: PublishError) -> ApiError {
    const SOON: Duration = Duration::from_secs(5);
    let detail = error.to_string();
    match error {
        PublishError::Archive(refusal) if refusal.is_too_large() => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, refusal.code(), detail)
        }
        PublishError::Archive(refusal) => ApiError::new(StatusCode::BAD_REQUEST, refusal.code(), detail),
        PublishError::Manifest(errors) => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "manifest-invalid",
            summary(&errors),
        )
        .with_errors(field_errors(&errors)),
        PublishError::VersionTaken { .. } => ApiError::new(StatusCode::CONFLICT, "version-taken", detail),
        PublishError::RoutesTaken(conflicts) => {
            let fault = |conflict: crate::store::RouteConflict| FieldError {
                pointer: conflict
                    .trigger
                    .map_or_else(String::new, |index| format!("/triggers/{index}")),
                code: "route-taken".to_owned(),
                message: format!("{} belongs to job {}", conflict.route, conflict.job),
            };
            ApiError::new(StatusCode::CONFLICT, "route-taken", detail)
                .with_errors(conflicts.into_iter().map(fault).collect())
        }
        PublishError::ImportFailed { job, version, error } => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "import-failed", detail)
                .with("jobId", job.to_string())
                .with("jobVersionId", version.to_string())
                .with("error", json!(error))
        }
        PublishError::NoRunner(_) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no-runner", detail).retry_after(SOON)
        }
        PublishError::ImportTimedOut(_) => {
            ApiError::new(StatusCode::GATEWAY_TIMEOUT, "import-timed-out", detail)
        }
        PublishError::NotServedYet(_) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-served-yet", detail).retry_after(SOON)
        }
        PublishError::Busy => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(SOON)
        }
        PublishError::Unavailable(_) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail).retry_after(SOON)
        }
        PublishError::VersionActive => ApiError::new(StatusCode::CONFLICT, "version-active", detail),
        PublishError::NoSuchVersion => ApiError::new(StatusCode::NOT_FOUND, "version-not-found", detail),
        PublishError::Database(error) => error.into(),
        PublishError::Storage(error) => {
            tracing::error!(%error, "an archive could not be kept");
            let detail = match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                    "there is no room for the archive on the server's disk; nothing was kept of it"
                }
                _ => "the archive can not be kept; the server's log says why",
            };
            ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "storage", detail)
        }
    }
}

fn summary(errors: &ManifestErrors) -> String {
    let count = errors
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .count();
    let first = errors
        .problems
        .iter()
        .find(|problem| problem.severity == Severity::Error);
    let place = |pointer: &str| {
        if pointer.is_empty() {
            String::new()
        } else {
            format!(" at {pointer}")
        }
    };
    match first {
        Some(first) if count == 1 => format!(
            "package.json is not valid{}: {}",
            place(&first.pointer),
            first.message
        ),
        _ => format!("package.json has {count} faults"),
    }
}

fn field_errors(errors: &ManifestErrors) -> Vec<FieldError> {
    let faults = errors
        .problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    let fault = |problem: &jobber_actors::manifest::ManifestProblem| FieldError {
        pointer: problem.pointer.clone(),
        code: crate::publish::problem_code(problem.code),
        message: problem.message.clone(),
    };
    faults.map(fault).collect()
}
