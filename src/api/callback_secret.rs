//! What a job's callbacks are signed with.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::access::{Access, Change, note_change};
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::Action;
use crate::store::CallbackSecrets;

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;

/// What permissions call it.
const PART: &[&str] = &["callback-secret"];
/// How long callbacks are signed with the former secret, too: receivers have to be given the new one.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// What a job's callbacks are signed with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CallbackSecret {
    /// `whsec_` and the key in base64, as the Standard Webhooks scheme has it.
    secret: String,
    /// When it was made.
    created: DateTime<Utc>,
    /// Until when callbacks are signed with the former secret, too.
    former_until: Option<DateTime<Utc>>,
}

/// What a job's callbacks are signed with. It is made when it is first asked for, or used.
#[utoipa::path(
    get, path = "/api/job/{job}/callback-secret", operation_id = "getCallbackSecret",
    responses((status = 200, body = Data<CallbackSecret>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/callback-secret"}))),
)]
pub(super) async fn get(state: State, access: Access, job: web::Path<String>) -> Reply {
    let job = state.job(&access, Action::Read, &job, PART).await?;
    let secrets = state.secrets.callbacks(job.id).await?;
    told(secrets, &job.name)
}

/// Signs a job's callbacks with another secret from now on. For a day they have a signature with the former one, too.
#[utoipa::path(
    post, path = "/api/job/{job}/callback-secret/rotate", operation_id = "rotateCallbackSecret",
    responses((status = 200, body = Data<CallbackSecret>)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}/callback-secret"}))),
)]
pub(super) async fn rotate(
    state: State,
    access: Access,
    job: web::Path<String>,
    request: HttpRequest,
) -> Reply {
    let job = state.job(&access, Action::Write, &job, PART).await?;
    if !state.secrets.rotate_callbacks(job.id, OVERLAP).await? {
        return Err(ApiError::no_job(&job.name));
    }
    let secrets = state.secrets.callbacks(job.id).await?;
    note_change(&request, Change::made(&json!({ "job": job.name })));
    told(secrets, &job.name)
}

fn told(secrets: Option<CallbackSecrets>, job: &str) -> Reply {
    let secrets = secrets.ok_or_else(|| ApiError::no_job(job))?;
    Ok(reply::data(CallbackSecret {
        secret: secrets.current.expose_secret().to_owned(),
        created: secrets.created,
        former_until: secrets.former.map(|(_, until)| until),
    }))
}
