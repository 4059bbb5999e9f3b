//! Triggers: what starts a job, and how it stands with each.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::Utc;
use jobber_actors::trigger::TriggerSort;

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::schemas::{Trigger, TriggerStatus};
use super::state::{ApiState, resource};
use crate::access::Action;
use crate::store::{JobSummary, NamedTrigger, Versions};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Job = web::Path<String>;

/// What starts a job: the triggers of all its versions.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers", operation_id = "listTriggers",
    responses((status = 200, body = Data<Vec<Trigger>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers"}))),
)]
pub(super) async fn all(state: State, access: Access, job: Job) -> Reply {
    triggers(&state, &access, &job, Versions::All).await
}

/// The triggers of the version that was published last.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers:latest", operation_id = "listLatestTriggers",
    responses((status = 200, body = Data<Vec<Trigger>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers"}))),
)]
pub(super) async fn latest(state: State, access: Access, job: Job) -> Reply {
    triggers(&state, &access, &job, Versions::Latest).await
}

/// The triggers of the active version.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers:current", operation_id = "listCurrentTriggers",
    responses((status = 200, body = Data<Vec<Trigger>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers"}))),
)]
pub(super) async fn current(state: State, access: Access, job: Job) -> Reply {
    triggers(&state, &access, &job, Versions::Current).await
}

async fn triggers(state: &ApiState, access: &Access, job: &str, which: Versions) -> Reply {
    let job = state.job(access, Action::Read, job, &["triggers"]).await?;
    let triggers = state.jobs.triggers(Some(job.id), which, Utc::now()).await?;
    Ok(reply::data(triggers))
}

/// How it stands with a trigger: whether it works, since when, and why not.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers/{trigger}/status", operation_id = "getTriggerStatus",
    responses((status = 200, body = Data<TriggerStatus>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers/{trigger}"}))),
)]
pub(super) async fn status(state: State, access: Access, path: web::Path<(String, String)>) -> Reply {
    let (job, trigger) = path.into_inner();
    let (_, found) = find(&state, &access, Action::Read, &job, &trigger).await?;
    let sort = TriggerSort::named(&found.kind).ok_or_else(|| not_found(&trigger))?;
    Ok(reply::data(state.tree.trigger_status(found.id, sort)))
}

/// The trigger of a job, both named by id or name in a path, for whoever may do this with it.
pub(super) async fn find(
    state: &ApiState,
    access: &Access,
    action: Action,
    job: &str,
    trigger: &str,
) -> Result<(JobSummary, NamedTrigger), ApiError> {
    let part = |job| resource(job).below("triggers");
    let found = match state.jobs.find(job).await? {
        Some(job) => {
            let found = state.fires.find_trigger(job.id, trigger).await?;
            found.map(|found| (job, found))
        }
        None => None,
    };
    let Some((job, found)) = found else {
        let job = state.job(access, action, job, &["triggers", trigger]).await?;
        access.require(action, &part(&job).below(trigger))?;
        return Err(not_found(trigger));
    };
    access.require(action, &part(&job).below_either(found.id, trigger))?;
    Ok((job, found))
}

fn not_found(trigger: &str) -> ApiError {
    let detail = format!("the job has no trigger {trigger:?}");
    ApiError::new(StatusCode::NOT_FOUND, "trigger-not-found", detail)
}
