//! Runners, as far as one sees them from outside.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use jobber_actors::domain::{ActionId, RunnerId};
use jobber_actors::tree::TreeError;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data, Done};
use super::schemas::Runner;
use super::state::ApiState;
use crate::access::Action;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Stop {
    /// `true` ends it at once, and what it works on fails.
    #[serde(default)]
    #[param(default = false)]
    forceful: bool,
}

/// The runners of a job.
#[utoipa::path(
    get, path = "/api/job/{job}/runners", operation_id = "listRunners",
    responses((status = 200, body = Data<Vec<Runner>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/runners"}))),
)]
pub(super) async fn list(
    state: web::Data<ApiState>,
    access: Access,
    job: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let job = state.job(&access, Action::Read, &job, &["runners"]).await?;
    Ok(reply::data(state.tree.runners(Some(job.id))))
}

/// The runners of one of a job's actions.
#[utoipa::path(
    get, path = "/api/job/{job}/actions/{action}/runners", operation_id = "listActionRunners",
    responses((status = 200, body = Data<Vec<Runner>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/runners"}))),
)]
pub(super) async fn of_action(
    state: web::Data<ApiState>,
    access: Access,
    path: web::Path<(String, ActionId)>,
) -> Result<HttpResponse, ApiError> {
    let (job, action) = path.into_inner();
    let job = state.job(&access, Action::Read, &job, &["runners"]).await?;
    let mut runners = state.tree.runners(Some(job.id));
    runners.retain(|runner| runner.action_id == action);
    Ok(reply::data(runners))
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
    stop: web::Query<Stop>,
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
