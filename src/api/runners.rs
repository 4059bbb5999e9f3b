//! Runners, as far as one sees them from outside.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use jobber_actors::domain::{JobId, RunnerId};
use jobber_actors::tree::TreeError;
use serde::Deserialize;

use super::problem::ApiError;
use super::reply;
use super::state::ApiState;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    job_id: Option<JobId>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Stop {
    #[serde(default)]
    forceful: bool,
}

/// The runners of all jobs, or of `?jobId=`.
pub(super) async fn list_all(state: web::Data<ApiState>, filter: web::Query<Filter>) -> HttpResponse {
    reply::data(state.tree.runners(filter.job_id))
}

/// The runners of a job.
pub(super) async fn list(
    state: web::Data<ApiState>,
    job: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let job = state.job(&job).await?;
    Ok(reply::data(state.tree.runners(Some(job.id))))
}

/// Ends a runner, which is replaced if need be.
pub(super) async fn stop(
    state: web::Data<ApiState>,
    path: web::Path<(String, RunnerId)>,
    stop: web::Query<Stop>,
) -> Result<HttpResponse, ApiError> {
    let (job, runner) = path.into_inner();
    let job = state.job(&job).await?;
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
