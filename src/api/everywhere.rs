//! What jobs have, over all jobs that one may see.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::Utc;
use jobber_actors::domain::JobId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::schemas::{JobAction, Runner, Trigger};
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::store::Versions;

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;

/// Of one job only.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    #[param(value_type = Option<uuid::Uuid>)]
    job_id: Option<JobId>,
}

/// How all versions of all jobs run, with all defaults.
#[utoipa::path(
    get, path = "/api/job/actions", operation_id = "listAllActions",
    params(Filter),
    responses((status = 200, body = Data<Vec<JobAction>>)),
)]
pub(super) async fn actions(state: State, access: Access, filter: web::Query<Filter>) -> Reply {
    let actions = state.jobs.actions(filter.job_id, Versions::All).await?;
    readable(&state, &access, "actions", actions).await
}

/// How the version runs that was published last, of all jobs.
#[utoipa::path(
    get, path = "/api/job/actions:latest", operation_id = "listAllLatestActions",
    params(Filter),
    responses((status = 200, body = Data<Vec<JobAction>>)),
)]
pub(super) async fn latest_actions(state: State, access: Access, filter: web::Query<Filter>) -> Reply {
    let actions = state.jobs.actions(filter.job_id, Versions::Latest).await?;
    readable(&state, &access, "actions", actions).await
}

/// What starts jobs: the triggers of all versions of all jobs.
#[utoipa::path(
    get, path = "/api/job/triggers", operation_id = "listAllTriggers",
    params(Filter),
    responses((status = 200, body = Data<Vec<Trigger>>)),
)]
pub(super) async fn triggers(state: State, access: Access, filter: web::Query<Filter>) -> Reply {
    let all = Versions::All;
    let triggers = state.jobs.triggers(filter.job_id, all, Utc::now()).await?;
    readable(&state, &access, "triggers", triggers).await
}

/// The triggers of the version that was published last, of all jobs.
#[utoipa::path(
    get, path = "/api/job/triggers:latest", operation_id = "listAllLatestTriggers",
    params(Filter),
    responses((status = 200, body = Data<Vec<Trigger>>)),
)]
pub(super) async fn latest_triggers(state: State, access: Access, filter: web::Query<Filter>) -> Reply {
    let latest = Versions::Latest;
    let triggers = state.jobs.triggers(filter.job_id, latest, Utc::now()).await?;
    readable(&state, &access, "triggers", triggers).await
}

/// The runners of all jobs.
#[utoipa::path(
    get, path = "/api/job/runners", operation_id = "listAllRunners",
    params(Filter),
    responses((status = 200, body = Data<Vec<Runner>>)),
)]
pub(super) async fn runners(state: State, access: Access, filter: web::Query<Filter>) -> Reply {
    let jobs = jobs(&state).await?;
    let runners = state.tree.runners(filter.job_id).into_iter();
    let readable = runners.filter(|runner| {
        let runners = jobs
            .get(&runner.job_id)
            .cloned()
            .unwrap_or_else(|| gone(runner.job_id));
        access.may(Action::Read, &runners.below("runners").below(runner.id))
    });
    Ok(reply::data(readable.collect::<Vec<_>>()))
}

/// Those parts whose jobs let this be read.
async fn readable(state: &ApiState, access: &Access, part: &str, parts: Vec<Value>) -> Reply {
    let jobs = jobs(state).await?;
    let may_read = |value: &Value| {
        let job = value["jobId"].as_str().and_then(|id| id.parse::<JobId>().ok());
        let job = job.and_then(|job| jobs.get(&job).cloned());
        job.is_some_and(|job| access.may(Action::Read, &job.below(part)))
    };
    Ok(reply::data(
        parts.into_iter().filter(may_read).collect::<Vec<_>>(),
    ))
}

/// All jobs as permissions name them.
async fn jobs(state: &ApiState) -> Result<HashMap<JobId, Resource>, ApiError> {
    let jobs = state.jobs.list().await?.into_iter();
    Ok(jobs.map(|job| (job.id, super::state::resource(&job))).collect())
}

/// A job that was removed while its runners end.
fn gone(job: JobId) -> Resource {
    Resource::of("job").below(job)
}
