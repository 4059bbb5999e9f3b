//! Triggers: what starts a job, and how it stands with each.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::Utc;
use jobber_actors::trigger::TriggerSort as Sort;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::input::Query;
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::reply::{self, Data, PageOf};
use super::schemas::{TriggerOrProblems, TriggerStatus};
use super::state::{ApiState, resource};
use crate::access::Action;
use crate::store::{JobSummary, NamedTrigger, TriggerFilter, TriggerSort, TriggerType, Versions};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Job = web::Path<String>;

/// Which triggers, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those of one kind.
    #[serde(rename = "type")]
    #[param(inline)]
    pub(super) kind: Option<TriggerType>,
    #[param(inline)]
    pub(super) sort: Option<TriggerSort>,
}

/// What starts a job: the triggers of all its versions.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers", operation_id = "listTriggers",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<TriggerOrProblems>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers"}))),
)]
pub(super) async fn all(
    state: State,
    access: Access,
    job: Job,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Reply {
    triggers(&state, &access, &job, Versions::All, (&paging, &filter)).await
}

/// The triggers of the version that was published last.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers:latest", operation_id = "listLatestTriggers",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<TriggerOrProblems>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers"}))),
)]
pub(super) async fn latest(
    state: State,
    access: Access,
    job: Job,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Reply {
    triggers(&state, &access, &job, Versions::Latest, (&paging, &filter)).await
}

/// The triggers of the active version.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers:current", operation_id = "listCurrentTriggers",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<TriggerOrProblems>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers"}))),
)]
pub(super) async fn current(
    state: State,
    access: Access,
    job: Job,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Reply {
    triggers(&state, &access, &job, Versions::Current, (&paging, &filter)).await
}

async fn triggers(
    state: &ApiState,
    access: &Access,
    job: &str,
    which: Versions,
    (paging, filter): (&Paging, &Filter),
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let job = state.job(access, Action::Read, job, &["triggers"]).await?;
    let filter = TriggerFilter {
        job: Some(job.id),
        kind: filter.kind,
    };
    let triggers = state.jobs.triggers(filter, which, &listing, Utc::now()).await?;
    Ok(paging::part(triggers, listing.sort))
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
    let sort = Sort::named(&found.kind).ok_or_else(|| not_found(&trigger))?;
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
