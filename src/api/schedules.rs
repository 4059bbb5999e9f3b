//! Schedules: what became of their instants, and runs by hand.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, JobId, TriggerId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use super::triggers;
use crate::access::Action;
use crate::store::{ManualRun, StoredFire};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Trigger = web::Path<(String, String)>;

/// Which instants. `before` takes the `at` of one, or any time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u16>,
    /// Those before this time.
    #[param(format = DateTime)]
    before: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Started {
    #[schema(value_type = uuid::Uuid)]
    invocation_id: InvocationId,
}

/// What became of a schedule's instants, newest first.
#[utoipa::path(
    get, path = "/api/job/{job}/triggers/{trigger}/fires", operation_id = "listFires",
    params(Parameters),
    responses((status = 200, body = Data<Vec<StoredFire>>), (status = 409)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/triggers/{trigger}"}))),
)]
pub(super) async fn fires(
    state: State,
    access: Access,
    path: Trigger,
    parameters: web::Query<Parameters>,
) -> Reply {
    let limit = reply::limit(parameters.limit)?;
    let before = parameters.before.as_deref().map(instant).transpose()?;
    let (_, trigger) = schedule(&state, &access, Action::Read, path).await?;
    Ok(reply::data(state.fires.list(trigger, before, limit).await?))
}

/// Starts a schedule's function now.
#[utoipa::path(
    post, path = "/api/job/{job}/triggers/{trigger}/run", operation_id = "runSchedule",
    responses((status = 202, body = Data<Started>), (status = 409)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}/triggers/{trigger}"}))),
)]
pub(super) async fn run(state: State, access: Access, path: Trigger) -> Reply {
    let (job, trigger) = schedule(&state, &access, Action::Write, path).await?;
    match state.fires.run_now(job, trigger).await? {
        ManualRun::Started(invocation_id) => Ok(reply::accepted(Started { invocation_id })),
        ManualRun::Gone => {
            let detail = "the job or its trigger was removed just now";
            Err(ApiError::new(StatusCode::NOT_FOUND, "trigger-not-found", detail))
        }
        ManualRun::Disabled => {
            let detail = "the job is disabled; enable it first";
            Err(ApiError::new(StatusCode::CONFLICT, "job-disabled", detail))
        }
        ManualRun::NotActive => {
            let detail = "the active version of the job does not have this trigger";
            Err(ApiError::new(StatusCode::CONFLICT, "trigger-not-active", detail))
        }
        ManualRun::Full => {
            let detail =
                "the job has as much in the durable queue as it may, or too much of this trigger waits there";
            Err(ApiError::new(StatusCode::CONFLICT, "deliveries-full", detail))
        }
    }
}

/// The schedule that a path names by its id or its name, and its job.
async fn schedule(
    state: &ApiState,
    access: &Access,
    action: Action,
    path: Trigger,
) -> Result<(JobId, TriggerId), ApiError> {
    let (job, trigger) = path.into_inner();
    let (job, found) = triggers::find(state, access, action, &job, &trigger).await?;
    if found.kind != "schedule" {
        let detail = format!(
            "the trigger {trigger:?} is of type {}, not a schedule",
            found.kind
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "not-a-schedule", detail));
    }
    Ok((job.id, found.id))
}

fn instant(text: &str) -> Result<DateTime<Utc>, ApiError> {
    let wrong = |_| ApiError::bad_request("before is no time like 2026-01-31T12:00:00Z");
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(wrong)
}
