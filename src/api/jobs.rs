//! Jobs, their versions, actions and triggers.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jobber_actors::domain::{JobId, VersionId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::{Access, Change as Changed, note_change};
use super::problem::ApiError;
use super::publish::problem_of;
use super::reply::{self, Data, Done};
use super::schemas::JobAction;
use super::state::{ApiState, resource};
use crate::access::Action;
use crate::publish::PublishError;
use crate::store::{JobPatch, JobStatus, JobSummary, Versions};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Job = web::Path<String>;

/// Longest description of a job.
const MAX_DESCRIPTION_BYTES: usize = 4_096;

/// What may be changed of a job. Unknown fields are refused: a misspelt one must not look like success.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = JobChange)]
pub(super) struct Change {
    status: Option<JobStatus>,
    #[schema(max_length = 4096, pattern = r"^[^\u0000]*$")]
    description: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    job_version_id: Option<VersionId>,
    /// Activate the version even if it can not be imported.
    #[serde(default)]
    force: bool,
}

/// The jobs that one may see.
#[utoipa::path(
    get, path = "/api/job", operation_id = "listJobs",
    responses((status = 200, body = Data<Vec<JobSummary>>)),
)]
pub(super) async fn list(state: State, access: Access) -> Reply {
    let jobs = state.jobs.list().await?.into_iter();
    let readable = jobs.filter(|job| access.may(Action::Read, &resource(job)));
    Ok(reply::data(readable.collect::<Vec<_>>()))
}

/// A job.
#[utoipa::path(
    get, path = "/api/job/{job}", operation_id = "getJob",
    responses((status = 200, body = Data<JobSummary>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}"}))),
)]
pub(super) async fn get(state: State, access: Access, job: Job) -> Reply {
    Ok(reply::data(state.job(&access, Action::Read, &job, &[]).await?))
}

/// Changes a job, and answers once the change is served.
#[utoipa::path(
    put, path = "/api/job/{job}", operation_id = "updateJob",
    request_body = Change,
    responses((status = 200, body = Data<JobSummary>), (status = 409), (status = 422), (status = 504), (status = 507)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}"}))),
)]
pub(super) async fn update(
    state: State,
    access: Access,
    request: HttpRequest,
    job: Job,
    change: web::Json<Change>,
) -> Reply {
    let job = state.job(&access, Action::Write, &job, &[]).await?;
    let change = change.into_inner();
    if change
        .description
        .as_ref()
        .is_some_and(|text| text.len() > MAX_DESCRIPTION_BYTES || text.contains('\0'))
    {
        let detail = format!("a description has at most {MAX_DESCRIPTION_BYTES} bytes and no NUL");
        return Err(ApiError::bad_request(detail));
    }
    let patch = JobPatch {
        status: change.status,
        description: change.description,
    };
    if patch != JobPatch::default() {
        state
            .jobs
            .update(job.id, &patch)
            .await
            .map_err(|error| problem_of(PublishError::from(error)))?;
    }
    match change.job_version_id {
        Some(version) => state
            .publisher
            .activate(job.id, &job.name, version, change.force)
            .await
            .map_err(problem_of)?,
        None => serve(&state, job.id).await?,
    }
    let after = state.jobs.find(&job.id.to_string()).await?;
    let after = after.ok_or_else(|| ApiError::no_job(&job.name))?;
    note_change(&request, Changed::from(&job).into(&after));
    Ok(reply::data(after))
}

/// Removes a job, and answers once it is not served any more.
#[utoipa::path(
    delete, path = "/api/job/{job}", operation_id = "deleteJob",
    responses((status = 200, body = Done)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}"}))),
)]
pub(super) async fn remove(state: State, access: Access, request: HttpRequest, job: Job) -> Reply {
    let known = state.job(&access, Action::Delete, &job, &[]).await?;
    let JobSummary { id, .. } = known;
    if !state.jobs.remove(id).await? {
        return Err(ApiError::no_job(&job));
    }
    serve(&state, id).await?;
    note_change(&request, Changed::from(&known));
    Ok(reply::done("the job is removed"))
}

/// Waits until what the catalogue says of a job is served.
async fn serve(state: &ApiState, job: JobId) -> Result<(), ApiError> {
    let served = state.tree.reconcile(job, state.config.reconcile).await;
    served.map_err(|error| problem_of(PublishError::NotServedYet(error.to_string())))
}

/// How all versions of a job run, with all defaults.
#[utoipa::path(
    get, path = "/api/job/{job}/actions", operation_id = "listActions",
    responses((status = 200, body = Data<Vec<JobAction>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/actions"}))),
)]
pub(super) async fn all_actions(state: State, access: Access, job: Job) -> Reply {
    actions(&state, &access, &job, Versions::All).await
}

/// How the version that was published last runs, with all defaults.
#[utoipa::path(
    get, path = "/api/job/{job}/actions:latest", operation_id = "getLatestAction",
    responses((status = 200, body = Data<JobAction>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/actions"}))),
)]
pub(super) async fn latest_actions(state: State, access: Access, job: Job) -> Reply {
    actions(&state, &access, &job, Versions::Latest).await
}

/// How the active version runs, with all defaults.
#[utoipa::path(
    get, path = "/api/job/{job}/actions:current", operation_id = "getCurrentAction",
    responses((status = 200, body = Data<JobAction>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/actions"}))),
)]
pub(super) async fn current_actions(state: State, access: Access, job: Job) -> Reply {
    actions(&state, &access, &job, Versions::Current).await
}

async fn actions(state: &ApiState, access: &Access, job: &str, which: Versions) -> Reply {
    let job = state.job(access, Action::Read, job, &["actions"]).await?;
    let mut actions = state.jobs.actions(Some(job.id), which).await?;
    if which == Versions::All {
        return Ok(reply::data(actions));
    }
    let detail = "the job has no such version";
    let action = actions
        .pop()
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "version-not-found", detail))?;
    Ok(reply::data(action))
}
