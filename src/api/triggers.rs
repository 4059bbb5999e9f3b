//! Triggers: what starts a job, and how it stands with each.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::Utc;
use jobber_actors::trigger::TriggerSort;

use super::problem::ApiError;
use super::reply;
use super::state::ApiState;
use crate::store::{NamedTrigger, Versions};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Job = web::Path<String>;

pub(super) async fn all(state: State, job: Job) -> Reply {
    triggers(&state, &job, Versions::All).await
}

pub(super) async fn latest(state: State, job: Job) -> Reply {
    triggers(&state, &job, Versions::Latest).await
}

pub(super) async fn current(state: State, job: Job) -> Reply {
    triggers(&state, &job, Versions::Current).await
}

async fn triggers(state: &ApiState, job: &str, which: Versions) -> Reply {
    let job = state.job(job).await?;
    Ok(reply::data(state.jobs.triggers(job.id, which, Utc::now()).await?))
}

/// How it stands with a trigger: whether it works, since when, and why not.
pub(super) async fn status(state: State, path: web::Path<(String, String)>) -> Reply {
    let (job, trigger) = path.into_inner();
    let job = state.job(&job).await?;
    let found = find(&state, &job, &trigger).await?;
    let sort = TriggerSort::named(&found.kind).ok_or_else(|| not_found(&trigger))?;
    Ok(reply::data(state.tree.trigger_status(found.id, sort)))
}

/// The trigger of a job that a path names by its id or its name.
pub(super) async fn find(
    state: &ApiState,
    job: &crate::store::JobSummary,
    trigger: &str,
) -> Result<NamedTrigger, ApiError> {
    let found = state.fires.find_trigger(job.id, trigger).await?;
    found.ok_or_else(|| not_found(trigger))
}

fn not_found(trigger: &str) -> ApiError {
    let detail = format!("the job has no trigger {trigger:?}");
    ApiError::new(StatusCode::NOT_FOUND, "trigger-not-found", detail)
}
