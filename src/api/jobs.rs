//! Jobs, their versions, actions and triggers.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jobber_actors::domain::{JobId, VersionId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::access::{Access, Change as Changed, note_change};
use super::input::{Body, Query};
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::publish::problem_of;
use super::reply::{self, Data, Done, PageOf};
use super::schemas::JobActionOrProblems;
use super::state::{ApiState, resource};
use crate::access::Action;
use crate::publish::PublishError;
use crate::store::{
    ActionSort, JobFilter, JobPatch, JobSort, JobStatus, JobSummary, Listing, Page, Versions,
};

mod listed;

use listed::Listed;

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

/// Which jobs, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those that serve, or those that do not.
    #[param(inline)]
    status: Option<JobStatus>,
    /// Those with this in their name or description, in whatever case.
    search: Option<String>,
    /// `true` tells with each job its runners and triggers as they are now.
    #[serde(default)]
    #[param(default = false)]
    detailed: bool,
    #[param(inline)]
    sort: Option<JobSort>,
}

/// In which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sorting {
    #[param(inline)]
    pub(super) sort: Option<ActionSort>,
}

/// The jobs that one may see.
#[utoipa::path(
    get, path = "/api/job", operation_id = "listJobs",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<Listed>)),
)]
pub(super) async fn list(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let detailed = filter.detailed;
    let filter = JobFilter {
        status: filter.status,
        search: filter.search,
    };
    let Page { mut items, end } = state.jobs.list(&filter, &listing).await?;
    items.retain(|job| access.may(Action::Read, &resource(job)));
    let items = if detailed {
        listed::detailed(&state, &access, items).await?
    } else {
        items.into_iter().map(Listed::from).collect()
    };
    Ok(paging::part(Page { items, end }, listing.sort))
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
    Body(change): Body<Change>,
) -> Reply {
    let job = state.job(&access, Action::Write, &job, &[]).await?;
    if change
        .description
        .as_ref()
        .is_some_and(|text| text.len() > MAX_DESCRIPTION_BYTES || text.contains('\0'))
    {
        let message = format!("has at most {MAX_DESCRIPTION_BYTES} bytes and no NUL");
        return Err(ApiError::invalid("/description", "out-of-range", message));
    }
    let applied = apply(&state, &job, change).await;
    let after = state.jobs.find(&job.id.to_string()).await;
    if let Ok(Some(after)) = &after {
        // Also of a change that was refused half way: what it has changed is changed.
        note_change(&request, Changed::from(&job).into(after));
    }
    // Why it was refused comes before what can not be told of it.
    applied?;
    let after = after?.ok_or_else(|| ApiError::no_job(&job.name))?;
    Ok(reply::data(after))
}

/// Does what is asked for, one after the other, and waits until it is served.
async fn apply(state: &ApiState, job: &JobSummary, change: Change) -> Result<(), ApiError> {
    let patch = JobPatch {
        status: change.status,
        description: change.description,
    };
    if patch != JobPatch::default() {
        let updated = state.jobs.update(job.id, &patch).await;
        updated.map_err(|error| problem_of(PublishError::from(error)))?;
    }
    let Some(version) = change.job_version_id else {
        return serve(state, job.id).await;
    };
    let activated = state
        .publisher
        .activate(job.id, &job.name, version, change.force)
        .await;
    activated.map_err(problem_of)
}

/// Removes a job with everything of it, and answers once it is not served any more.
#[utoipa::path(
    delete, path = "/api/job/{job}", operation_id = "deleteJob",
    responses((status = 200, body = Done)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}"}))),
)]
pub(super) async fn remove(state: State, access: Access, request: HttpRequest, job: Job) -> Reply {
    let known = state.job(&access, Action::Delete, &job, &[]).await?;
    let id = known.id;
    let removed = state.publisher.remove_job(id, &known.name).await;
    if !matches!(removed, Ok(false)) {
        note_change(&request, Changed::from(&known));
    }
    if !removed.map_err(problem_of)? {
        return Err(ApiError::no_job(&job));
    }
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
    params(Paging, Sorting),
    responses((status = 200, body = PageOf<JobActionOrProblems>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/actions"}))),
)]
pub(super) async fn all_actions(
    state: State,
    access: Access,
    job: Job,
    Query(paging): Query<Paging>,
    Query(sorting): Query<Sorting>,
) -> Reply {
    let listing = paging.listing(sorting.sort)?;
    let job = state.job(&access, Action::Read, &job, &["actions"]).await?;
    let actions = state.jobs.actions(Some(job.id), Versions::All, &listing).await?;
    Ok(paging::part(actions, listing.sort))
}

/// How the version that was published last runs, with all defaults.
#[utoipa::path(
    get, path = "/api/job/{job}/actions:latest", operation_id = "getLatestAction",
    responses((status = 200, body = Data<JobActionOrProblems>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/actions"}))),
)]
pub(super) async fn latest_action(state: State, access: Access, job: Job) -> Reply {
    action(&state, &access, &job, Versions::Latest).await
}

/// How the active version runs, with all defaults.
#[utoipa::path(
    get, path = "/api/job/{job}/actions:current", operation_id = "getCurrentAction",
    responses((status = 200, body = Data<JobActionOrProblems>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/actions"}))),
)]
pub(super) async fn current_action(state: State, access: Access, job: Job) -> Reply {
    action(&state, &access, &job, Versions::Current).await
}

async fn action(state: &ApiState, access: &Access, job: &str, which: Versions) -> Reply {
    let job = state.job(access, Action::Read, job, &["actions"]).await?;
    let actions = state
        .jobs
        .actions(Some(job.id), which, &Listing::default())
        .await?;
    let detail = "the job has no such version";
    let action = actions
        .items
        .first()
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "version-not-found", detail))?;
    Ok(reply::data(action))
}
