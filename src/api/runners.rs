//! Runners, as far as one sees them from outside.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use jobber_actors::domain::{ActionId, RunnerId, VersionId};
use jobber_actors::runner_manager::RunnerStage;
use jobber_actors::tree::{RunnerView, TreeError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Access;
use super::input::Query;
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::reply::{self, Done, PageOf};
use super::schemas::Runner;
use super::state::ApiState;
use crate::access::Action;
use crate::store::{Listing, Order, Sort, part_of};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Stop {
    /// `true` ends it at once, and what it works on fails.
    #[serde(default)]
    #[param(default = false)]
    forceful: bool,
}

/// Which runners, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those of one version.
    #[param(value_type = Option<uuid::Uuid>)]
    version_id: Option<VersionId>,
    /// Those that serve, or those that do not yet or any more.
    ready: Option<bool>,
    #[param(inline)]
    pub(super) sort: Option<RunnerSort>,
}

impl Filter {
    /// What is left of these.
    pub(super) fn of(&self, mut runners: Vec<RunnerView>) -> Vec<RunnerView> {
        runners.retain(|runner| {
            let is_ready = runner.stage == RunnerStage::Ready;
            self.version_id.is_none_or(|version| runner.version_id == version)
                && self.ready.is_none_or(|ready| ready == is_ready)
        });
        runners
    }
}

/// In which order runners are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) enum RunnerSort {
    /// The oldest first.
    #[default]
    #[serde(rename = "created")]
    Created,
    /// The newest first.
    #[serde(rename = "-created")]
    CreatedDescending,
}

impl Sort for RunnerSort {
    fn order(self) -> Order {
        match self {
            Self::Created => Order::by_creation(),
            Self::CreatedDescending => Order::by_creation().reversed(),
        }
    }
}

/// `200` with a part of these.
pub(super) fn part(runners: Vec<RunnerView>, listing: &Listing<RunnerSort>) -> HttpResponse {
    let key = |runner: &RunnerView| (runner.created, *runner.id.as_uuid());
    paging::part(part_of(runners, listing, key), listing.sort)
}

/// The runners of a job.
#[utoipa::path(
    get, path = "/api/job/{job}/runners", operation_id = "listRunners",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<Runner>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/runners"}))),
)]
pub(super) async fn list(
    state: web::Data<ApiState>,
    access: Access,
    job: web::Path<String>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Result<HttpResponse, ApiError> {
    let listing = paging.listing(filter.sort)?;
    let job = state.job(&access, Action::Read, &job, &["runners"]).await?;
    let runners = filter.of(state.tree.runners(Some(job.id)));
    Ok(part(runners, &listing))
}

/// The runners of one of a job's actions.
#[utoipa::path(
    get, path = "/api/job/{job}/actions/{action}/runners", operation_id = "listActionRunners",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<Runner>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/runners"}))),
)]
pub(super) async fn of_action(
    state: web::Data<ApiState>,
    access: Access,
    path: web::Path<(String, ActionId)>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Result<HttpResponse, ApiError> {
    let listing = paging.listing(filter.sort)?;
    let (job, action) = path.into_inner();
    let job = state.job(&access, Action::Read, &job, &["runners"]).await?;
    let mut runners = filter.of(state.tree.runners(Some(job.id)));
    runners.retain(|runner| runner.action_id == action);
    Ok(part(runners, &listing))
}

/// Ends a runner, which is replaced if need be.
#[utoipa::path(
    delete, path = "/api/job/{job}/runners/{runner}", operation_id = "stopRunner",
    params(Stop),
    responses((status = 200, body = Done)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}/runners/{runner}"}))),
)]
pub(super) async fn stop(
    state: web::Data<ApiState>,
    access: Access,
    path: web::Path<(String, RunnerId)>,
    Query(stop): Query<Stop>,
) -> Result<HttpResponse, ApiError> {
    let (job, runner) = path.into_inner();
    let job = state
        .job(&access, Action::Delete, &job, &["runners", &runner.to_string()])
        .await?;
    let none = || {
        let detail = format!("the job has no runner {runner}");
        ApiError::new(StatusCode::NOT_FOUND, "runner-not-found", detail)
    };
    if !state
        .tree
        .runners(Some(job.id))
        .iter()
        .any(|known| known.id == runner)
    {
        return Err(none());
    }
    match state.tree.stop_runner(runner, stop.forceful) {
        Ok(()) => Ok(reply::done("the runner is being ended")),
        Err(TreeError::NoRunner(_)) => Err(none()),
        Err(error) => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            error.to_string(),
        )),
    }
}
