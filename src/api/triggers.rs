//! Triggers: what starts a job, and how it stands with each.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::Utc;
use jobber_actors::trigger::TriggerSort;

use super::access::Access;
use super::problem::ApiError;
use super::reply;
use super::state::{ApiState, resource};
use crate::access::Action;
use crate::store::{JobSummary, NamedTrigger, Versions};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Job = web::Path<String>;

pub(super) async fn all(state: State, access: Access, job: Job) -> Reply {
    triggers(&state, &access, &job, Versions::All).await
}

pub(super) async fn latest(state: State, access: Access, job: Job) -> Reply {
    triggers(&state, &access, &job, Versions::Latest).await
}

pub(super) async fn current(state: State, access: Access, job: Job) -> Reply {
    triggers(&state, &access, &job, Versions::Current).await
}

async fn triggers(state: &ApiState, access: &Access, job: &str, which: Versions) -> Reply {
    let job = state.job(access, Action::Read, job, &["triggers"]).await?;
    Ok(reply::data(state.jobs.triggers(job.id, which, Utc::now()).await?))
}

/// How it stands with a trigger: whether it works, since when, and why not.
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
