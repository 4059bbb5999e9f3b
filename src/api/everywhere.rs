//! What jobs have, over all jobs that one may see.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::Utc;
use jobber_actors::domain::JobId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::IntoParams;

use super::access::Access;
use super::input::Query;
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::reply::PageOf;
use super::schemas::{JobActionOrProblems, Runner, TriggerOrProblems};
use super::state::ApiState;
use super::{jobs, runners, triggers};
use crate::access::{Action, Resource};
use crate::store::{Page, TriggerFilter, Versions};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;

/// Of one job only.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct OfJob {
    /// What one job has.
    #[param(value_type = Option<uuid::Uuid>)]
    pub(super) job_id: Option<JobId>,
}

/// How all versions of all jobs run, with all defaults.
#[utoipa::path(
    get, path = "/api/job/actions", operation_id = "listAllActions",
    params(Paging, OfJob, jobs::Sorting),
    responses((status = 200, body = PageOf<JobActionOrProblems>)),
)]
pub(super) async fn actions(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(of): Query<OfJob>,
    Query(sorting): Query<jobs::Sorting>,
) -> Reply {
    list_actions(&state, &access, Versions::All, (paging, of, sorting)).await
}

/// How the version runs that was published last, of all jobs.
#[utoipa::path(
    get, path = "/api/job/actions:latest", operation_id = "listAllLatestActions",
    params(Paging, OfJob, jobs::Sorting),
    responses((status = 200, body = PageOf<JobActionOrProblems>)),
)]
pub(super) async fn latest_actions(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(of): Query<OfJob>,
    Query(sorting): Query<jobs::Sorting>,
) -> Reply {
    list_actions(&state, &access, Versions::Latest, (paging, of, sorting)).await
}

/// What starts jobs: the triggers of all versions of all jobs.
#[utoipa::path(
    get, path = "/api/job/triggers", operation_id = "listAllTriggers",
    params(Paging, OfJob, triggers::Filter),
    responses((status = 200, body = PageOf<TriggerOrProblems>)),
)]
pub(super) async fn all_triggers(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(of): Query<OfJob>,
    Query(filter): Query<triggers::Filter>,
) -> Reply {
    list_triggers(&state, &access, Versions::All, (paging, of, filter)).await
}

/// The triggers of the version that was published last, of all jobs.
#[utoipa::path(
    get, path = "/api/job/triggers:latest", operation_id = "listAllLatestTriggers",
    params(Paging, OfJob, triggers::Filter),
    responses((status = 200, body = PageOf<TriggerOrProblems>)),
)]
pub(super) async fn latest_triggers(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(of): Query<OfJob>,
    Query(filter): Query<triggers::Filter>,
) -> Reply {
    list_triggers(&state, &access, Versions::Latest, (paging, of, filter)).await
}

/// The runners of all jobs.
#[utoipa::path(
    get, path = "/api/job/runners", operation_id = "listAllRunners",
    params(Paging, OfJob, runners::Filter),
    responses((status = 200, body = PageOf<Runner>)),
)]
pub(super) async fn all_runners(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(of): Query<OfJob>,
    Query(filter): Query<runners::Filter>,
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let jobs = resources(&state).await?;
    let mut found = filter.of(state.tree.runners(of.job_id));
    found.retain(|runner| {
        let job = jobs.get(&runner.job_id).cloned();
        let runners = job.unwrap_or_else(|| gone(runner.job_id)).below("runners");
        access.may(Action::Read, &runners.below(runner.id))
    });
    Ok(runners::part(found, &listing))
}

async fn list_actions(
    state: &ApiState,
    access: &Access,
    which: Versions,
    (paging, of, sorting): (Paging, OfJob, jobs::Sorting),
) -> Reply {
    let listing = paging.listing(sorting.sort)?;
    let found = state.jobs.actions(of.job_id, which, &listing).await?;
    readable(state, access, "actions", found, listing.sort).await
}

async fn list_triggers(
    state: &ApiState,
    access: &Access,
    which: Versions,
    (paging, of, filter): (Paging, OfJob, triggers::Filter),
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let filter = TriggerFilter {
        job: of.job_id,
        kind: filter.kind,
    };
    let found = state.jobs.triggers(filter, which, &listing, Utc::now()).await?;
    readable(state, access, "triggers", found, listing.sort).await
}

/// Those parts whose jobs let this be read.
async fn readable(
    state: &ApiState,
    access: &Access,
    part: &str,
    found: Page<Value>,
    sort: impl Serialize,
) -> Reply {
    let jobs = resources(state).await?;
    let may_read = |value: &Value| {
        let job = value["jobId"].as_str().and_then(|id| id.parse::<JobId>().ok());
        let job = job.and_then(|job| jobs.get(&job).cloned());
        job.is_some_and(|job| access.may(Action::Read, &job.below(part)))
    };
    Ok(paging::visible(found, sort, may_read))
}

/// All jobs as permissions name them.
pub(super) async fn resources(state: &ApiState) -> Result<HashMap<JobId, Resource>, ApiError> {
    let jobs = state.jobs.names().await?.into_iter();
    Ok(jobs
        .map(|(id, name)| (id, Resource::of("job").below_either(id, name)))
        .collect())
}

/// The jobs of which one may read this part, in no order.
pub(super) async fn readable_jobs(
    state: &ApiState,
    access: &Access,
    of: &OfJob,
    part: &str,
) -> Result<Vec<JobId>, ApiError> {
    let jobs = resources(state).await?.into_iter();
    let asked = jobs.filter(|(job, _)| of.job_id.is_none_or(|only| *job == only));
    Ok(asked
        .filter(|(_, resource)| access.may(Action::Read, &resource.clone().below(part)))
        .map(|(job, _)| job)
        .collect())
}

/// A job that was removed, and of which something is left: runners that end, records.
pub(super) fn gone(job: JobId) -> Resource {
    Resource::of("job").below(job)
}
