//! Doing all invocations again that a filter finds.

mod board;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use futures_util::{StreamExt, stream};
use jobber_actors::domain::{EXAMPLE_ID, InvocationId, JobId, VersionId};
use jobber_actors::tree::Begun;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub(in crate::api) use self::board::Replays;
use self::board::{Progress, Run, Running};
use super::begin::runnable;
use super::replay::{Changes, again};
use super::{Access, Action, ApiError, ApiState, Data, Filter, PART, Reply, Sorting, State, none, reply};
use crate::access::Resource;
use crate::api::access::{Change, note_change};
use crate::api::everywhere::{self, OfJob};
use crate::api::input::{OptionalBody, Query};
use crate::store::InvocationSort;

/// Most invocations that are done again by one request.
const MOST: u16 = 10_000;
/// How many of them are under way at once.
const AT_ONCE: usize = 8;

/// How they are to be done again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BulkReplayRequest)]
pub(crate) struct Request {
    /// The id of the version that is to do them, of the job that `jobId` names. The one that serves each job unless one is named.
    #[schema(value_type = Option<uuid::Uuid>)]
    version_id: Option<VersionId>,
    /// How many at most; 10,000 unless it is given.
    #[schema(minimum = 1, maximum = 10_000)]
    most: Option<u16>,
}

/// Begins to do all invocations again that a filter finds, with the input that was kept, the oldest first unless asked otherwise. It is done by this
/// server, and ends with it.
#[utoipa::path(
    post, path = "/api/invocations/replays", operation_id = "replayInvocations",
    params(OfJob, Filter, Sorting),
    request_body = Option<Request>,
    responses((status = 202, body = Data<Progress>), (status = 404), (status = 409)),
)]
pub(crate) async fn replay_all(
    state: State,
    access: Access,
    request: HttpRequest,
    Query(of): Query<OfJob>,
    Query(filter): Query<Filter>,
    Query(sorting): Query<Sorting>,
    OptionalBody(how): OptionalBody<Request>,
) -> Reply {
    let most = how.most.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(ApiError::invalid(
            "/most",
            "out-of-range",
            format!("is 1 to {MOST}"),
        ));
    }
    let jobs = jobs(&state, &access, of.job_id).await?;
    match (how.version_id, of.job_id) {
        (Some(version), Some(job)) => runnable(&state, job, version).await?,
        (Some(_), None) => {
            let message = "is of one job: `jobId` has to say of which";
            return Err(ApiError::invalid("/versionId", "conflict", message));
        }
        (None, _) => {}
    }
    let order = sorting.sort.unwrap_or(InvocationSort::Made);
    let filter = filter.checked()?;
    // One more, to know whether there are more.
    let mut ids = state
        .invocations
        .ids(&jobs, &filter, order, usize::from(most) + 1)
        .await?;
    let more = ids.len() > usize::from(most);
    ids.truncate(most.into());
    let running = state.replays.begin(jobs, ids.len(), more);
    let running =
        running.ok_or_else(|| ApiError::busy("as many replays of many invocations go on as may at once"))?;
    let progress = running.run().progress();
    note_change(&request, Change::made(&progress));
    let everything = (**state).clone();
    state.tree.spawn("replay of many", async move {
        run(&everything, running, ids, how.version_id).await;
    });
    Ok(reply::accepted(progress))
}

/// The replays of many invocations of which this server knows, the newest first: the last 50, of jobs of which one may do them again.
#[utoipa::path(
    get, path = "/api/invocations/replays", operation_id = "listReplays",
    responses((status = 200, body = Data<Vec<Progress>>)),
)]
pub(crate) async fn list_replays(state: State, access: Access) -> Reply {
    let mut own = Vec::new();
    for run in state.replays.all() {
        if may_see(&state, &access, &run).await? {
            own.push(run.progress());
        }
    }
    Ok(reply::data(own))
}

/// How a replay of many invocations stands.
#[utoipa::path(
    get, path = "/api/invocations/replays/{replay}", operation_id = "getReplay",
    responses((status = 200, body = Data<Progress>), (status = 400)),
)]
pub(crate) async fn get_replay(state: State, access: Access, id: web::Path<String>) -> Reply {
    Ok(reply::data(find_run(&state, &access, &id).await?.progress()))
}

/// Stops a replay of many invocations. Nothing more is begun; what was begun goes on.
#[utoipa::path(
    delete, path = "/api/invocations/replays/{replay}", operation_id = "cancelReplay",
    responses((status = 200, body = Data<Progress>), (status = 400)),
)]
pub(crate) async fn cancel_replay(state: State, access: Access, id: web::Path<String>) -> Reply {
    let run = find_run(&state, &access, &id).await?;
    run.cancel();
    Ok(reply::data(run.progress()))
}

/// The jobs of which one may read the invocations and do them again: all, or the one that is named.
async fn jobs(state: &ApiState, access: &Access, only: Option<JobId>) -> Result<Vec<JobId>, ApiError> {
    let jobs = everywhere::resources(state).await?;
    if let Some(job) = only {
        let known = jobs.get(&job).cloned();
        let resource = known.clone().unwrap_or_else(|| everywhere::gone(job)).below(PART);
        access.require(Action::Read, &resource)?;
        access.require(Action::Write, &resource)?;
        known.ok_or_else(|| ApiError::no_job(&job.to_string()))?;
        return Ok(vec![job]);
    }
    let allowed =
        |resource: &Resource| access.may(Action::Read, resource) && access.may(Action::Write, resource);
    let jobs = jobs.into_iter();
    Ok(jobs
        .filter(|(_, resource)| allowed(&resource.clone().below(PART)))
        .map(|(job, _)| job)
        .collect())
}

/// A replay is shown to those who could have begun it.
async fn may_see(state: &ApiState, access: &Access, run: &Run) -> Result<bool, ApiError> {
    let jobs = everywhere::resources(state).await?;
    Ok(run.jobs.iter().all(|job| {
        let known = jobs.get(job).cloned();
        let resource = known.unwrap_or_else(|| everywhere::gone(*job)).below(PART);
        access.may(Action::Write, &resource)
    }))
}

async fn find_run(state: &ApiState, access: &Access, id: &str) -> Result<Arc<Run>, ApiError> {
    let parsed = id
        .parse::<Uuid>()
        .map_err(|_| ApiError::bad_request(format!("{id:?} is no id of a replay, such as {EXAMPLE_ID}")))?;
    let found = state.replays.find(parsed);
    let none = || {
        let detail =
            format!("there is no replay {parsed}: this server has not begun it, or has forgotten it");
        ApiError::new(StatusCode::NOT_FOUND, "replay-not-found", detail)
    };
    let run = found.ok_or_else(none)?;
    if may_see(state, access, &run).await? {
        Ok(run)
    } else {
        Err(none())
    }
}

async fn run(state: &ApiState, running: Running, ids: Vec<InvocationId>, version: Option<VersionId>) {
    let run = running.run();
    stream::iter(ids)
        .for_each_concurrent(AT_ONCE, |id| one(state, run, id, version))
        .await;
    running.finish();
}

/// Does one of them again, and waits for its end.
async fn one(state: &ApiState, run: &Run, id: InvocationId, version: Option<VersionId>) {
    if !run.is_running() {
        return;
    }
    match begin_one(state, id, version).await {
        Ok(begun) => {
            run.begun();
            if let Some(status) = begun.end().await {
                run.ended(status);
            }
        }
        Err(error) => run.refused(error.code()),
    }
}

async fn begin_one(
    state: &ApiState,
    id: InvocationId,
    version: Option<VersionId>,
) -> Result<Begun, ApiError> {
    let attempts = state.invocations.find(id).await?;
    let last = attempts.last().ok_or_else(|| none(id))?;
    let (begun, _) = again(state, last, Changes::only_version(version)).await?;
    Ok(begun)
}
