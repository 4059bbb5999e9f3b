//! The durable queue of a job: how much is in it, and the deliveries that were given up.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jobber_actors::domain::InvocationId;
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::problem::ApiError;
use super::reply;
use super::state::ApiState;
use crate::access::Action;
use crate::store::{DeadLetter, DeadLetterCursor};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Letter = web::Path<(String, String)>;

/// What permissions call them.
const PART: &[&str] = &["dead-letters"];

/// Which dead letters. `before` takes the cursor of one.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    limit: Option<u16>,
    before: Option<String>,
}

/// A dead letter with everything.
#[derive(Serialize)]
struct Opened {
    #[serde(flatten)]
    letter: DeadLetter,
    /// In base64.
    payload: String,
    /// The same, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// How many letters were changed.
#[derive(Serialize)]
struct Changed {
    count: u64,
}

/// How much of a job is in the queue.
pub(super) async fn counts(state: State, access: Access, job: web::Path<String>) -> Reply {
    let job = state.job(&access, Action::Read, &job, &["queue"]).await?;
    Ok(reply::data(state.dead_letters.counts(job.id).await?))
}

/// Dead letters of a job without their payloads, newest first.
pub(super) async fn list(
    state: State,
    access: Access,
    job: web::Path<String>,
    parameters: web::Query<Parameters>,
) -> Reply {
    let limit = reply::limit(parameters.limit)?;
    let cursor = |text: &str| {
        text.parse::<DeadLetterCursor>()
            .map_err(|error| ApiError::bad_request(format!("before is {error}")))
    };
    let before = parameters.before.as_deref().map(cursor).transpose()?;
    let job = state.job(&access, Action::Read, &job, PART).await?;
    Ok(reply::data(state.dead_letters.list(job.id, before, limit).await?))
}

/// A dead letter with its payload.
pub(super) async fn get(state: State, access: Access, path: Letter) -> Reply {
    let (job, id) = path.into_inner();
    let id = parse(&id)?;
    let job = state.job(&access, Action::Read, &job, PART).await?;
    let found = state.dead_letters.find(job.id, id).await?;
    let (letter, payload) = found.ok_or_else(|| none(id))?;
    Ok(reply::data(Opened {
        letter,
        text: std::str::from_utf8(&payload).ok().map(str::to_owned),
        payload: STANDARD.encode(&payload),
    }))
}

/// Makes a dead letter due again.
pub(super) async fn redrive(state: State, access: Access, path: Letter) -> Reply {
    let (job, id) = path.into_inner();
    let id = parse(&id)?;
    let job = state.job(&access, Action::Write, &job, PART).await?;
    if !state.dead_letters.redrive(job.id, id).await? {
        return Err(none(id));
    }
    Ok(reply::done("the delivery is due again"))
}

/// Makes all dead letters of a job due again.
pub(super) async fn redrive_all(state: State, access: Access, job: web::Path<String>) -> Reply {
    let job = state.job(&access, Action::Write, &job, PART).await?;
    let count = state.dead_letters.redrive_all(job.id).await?;
    Ok(reply::data(Changed { count }))
}

/// Removes a dead letter.
pub(super) async fn discard(state: State, access: Access, path: Letter) -> Reply {
    let (job, id) = path.into_inner();
    let id = parse(&id)?;
    let job = state.job(&access, Action::Delete, &job, PART).await?;
    if !state.dead_letters.discard(job.id, id).await? {
        return Err(none(id));
    }
    Ok(reply::done("the dead letter is removed"))
}

/// Removes all dead letters of a job.
pub(super) async fn discard_all(state: State, access: Access, job: web::Path<String>) -> Reply {
    let job = state.job(&access, Action::Delete, &job, PART).await?;
    let count = state.dead_letters.discard_all(job.id).await?;
    Ok(reply::data(Changed { count }))
}

fn parse(id: &str) -> Result<InvocationId, ApiError> {
    id.parse()
        .map_err(|_| ApiError::bad_request(format!("{id:?} is no id of a delivery")))
}

fn none(id: InvocationId) -> ApiError {
    let detail = format!("the job has no dead letter {id}");
    ApiError::new(StatusCode::NOT_FOUND, "dead-letter-not-found", detail)
}
