//! Jobs, their versions, actions and triggers.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use jobber_actors::domain::{JobId, VersionId};
use serde::Deserialize;

use super::problem::ApiError;
use super::publish::problem_of;
use super::reply;
use super::state::ApiState;
use crate::publish::PublishError;
use crate::store::{JobPatch, JobStatus, JobSummary, Versions};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Job = web::Path<String>;

/// Longest description of a job.
const MAX_DESCRIPTION_BYTES: usize = 4_096;

/// What may be changed of a job. Unknown fields are refused: a misspelt one must not look like success.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Change {
    status: Option<JobStatus>,
    description: Option<String>,
    job_version_id: Option<VersionId>,
    /// Activate the version even if it can not be imported.
    #[serde(default)]
    force: bool,
}

pub(super) async fn list(state: State) -> Reply {
    Ok(reply::data(state.jobs.list().await?))
}

pub(super) async fn get(state: State, job: Job) -> Reply {
    Ok(reply::data(state.job(&job).await?))
}

pub(super) async fn versions(state: State, job: Job) -> Reply {
    let job = state.job(&job).await?;
    Ok(reply::data(state.jobs.versions(job.id).await?))
}

/// Changes a job, and answers once the change is served.
pub(super) async fn update(state: State, job: Job, change: web::Json<Change>) -> Reply {
    let job = state.job(&job).await?;
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
    get(state, web::Path::from(job.id.to_string())).await
}

/// Removes a job, and answers once it is not served any more.
pub(super) async fn remove(state: State, job: Job) -> Reply {
    let JobSummary { id, .. } = state.job(&job).await?;
    if !state.jobs.remove(id).await? {
        return Err(ApiError::no_job(&job));
    }
    serve(&state, id).await?;
    Ok(reply::done("the job is removed"))
}

/// Waits until what the catalogue says of a job is served.
async fn serve(state: &ApiState, job: JobId) -> Result<(), ApiError> {
    let served = state.tree.reconcile(job, state.config.reconcile).await;
    served.map_err(|error| problem_of(PublishError::NotServedYet(error.to_string())))
}

pub(super) async fn all_actions(state: State, job: Job) -> Reply {
    actions(&state, &job, Versions::All).await
}

pub(super) async fn latest_actions(state: State, job: Job) -> Reply {
    actions(&state, &job, Versions::Latest).await
}

pub(super) async fn current_actions(state: State, job: Job) -> Reply {
    actions(&state, &job, Versions::Current).await
}

async fn actions(state: &ApiState, job: &str, which: Versions) -> Reply {
    let job = state.job(job).await?;
    let mut actions = state.jobs.actions(job.id, which).await?;
    if which == Versions::All {
        return Ok(reply::data(actions));
    }
    let detail = "the job has no such version";
    let action = actions
        .pop()
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "version-not-found", detail))?;
    Ok(reply::data(action))
}
