//! The durable queue of a job: how much is in it, and the deliveries that were given up.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jobber_actors::domain::{InvocationId, TriggerId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Access;
use super::everywhere::{self, OfJob};
use super::input::Query;
use super::paging::{self, Paging, ShortPaging};
use super::problem::ApiError;
use super::reply::{self, Data, Done, PageOf};
use super::state::ApiState;
use crate::access::Action;
use crate::store::{
    DeadLetter, DeadLetterFilter, DeadLetterSort, QueueCounts, QueueOfJob, QueueSort, TriggerType,
};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;
type Letter = web::Path<(String, String)>;

/// What permissions call them.
const LETTERS: &str = "dead-letters";
const PART: &[&str] = &[LETTERS];

/// Which dead letters, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those that one trigger started.
    #[param(value_type = Option<uuid::Uuid>)]
    trigger_id: Option<TriggerId>,
    /// Those that one kind of trigger started.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<TriggerType>,
    #[param(inline)]
    sort: Option<DeadLetterSort>,
}

impl From<Filter> for DeadLetterFilter {
    fn from(filter: Filter) -> Self {
        Self {
            trigger: filter.trigger_id,
            kind: filter.kind,
        }
    }
}

/// In which order queues are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sorting {
    #[param(inline)]
    sort: Option<QueueSort>,
}

/// A dead letter with everything.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenedDeadLetter)]
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
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedDeadLetters)]
struct Changed {
    count: u64,
}

/// How much of a job is in the queue.
#[utoipa::path(
    get, path = "/api/job/{job}/queue", operation_id = "getQueueCounts",
    responses((status = 200, body = Data<QueueCounts>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/queue"}))),
)]
pub(super) async fn counts(state: State, access: Access, job: web::Path<String>) -> Reply {
    let job = state.job(&access, Action::Read, &job, &["queue"]).await?;
    Ok(reply::data(state.dead_letters.counts(job.id).await?))
}

/// Dead letters of a job without their payloads, the newest first unless asked otherwise.
#[utoipa::path(
    get, path = "/api/job/{job}/dead-letters", operation_id = "listDeadLetters",
    params(ShortPaging, Filter),
    responses((status = 200, body = PageOf<DeadLetter>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/dead-letters"}))),
)]
pub(super) async fn list(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(paging): Query<ShortPaging>,
    Query(filter): Query<Filter>,
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let filter = filter.into();
    let job = state.job(&access, Action::Read, &job, PART).await?;
    let letters = state.dead_letters.list(&[job.id], filter, &listing).await?;
    Ok(paging::part(letters, listing.sort))
}

/// How much of each job is in the queue, of all jobs of which one may read that. Jobs of which nothing is are left out.
#[utoipa::path(
    get, path = "/api/queues", operation_id = "listQueueCounts",
    params(Paging, OfJob, Sorting),
    responses((status = 200, body = PageOf<QueueOfJob>)),
)]
pub(super) async fn all_counts(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(of): Query<OfJob>,
    Query(sorting): Query<Sorting>,
) -> Reply {
    let listing = paging.listing(sorting.sort)?;
    let jobs = everywhere::readable_jobs(&state, &access, &of, "queue").await?;
    let queues = state.dead_letters.queues(&jobs, &listing).await?;
    Ok(paging::part(queues, listing.sort))
}

/// Dead letters of all jobs of which one may read them, without their payloads, the newest first unless asked otherwise.
#[utoipa::path(
    get, path = "/api/dead-letters", operation_id = "listAllDeadLetters",
    params(ShortPaging, OfJob, Filter),
    responses((status = 200, body = PageOf<DeadLetter>)),
)]
pub(super) async fn list_all(
    state: State,
    access: Access,
    Query(paging): Query<ShortPaging>,
    Query(of): Query<OfJob>,
    Query(filter): Query<Filter>,
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let filter = filter.into();
    let jobs = everywhere::readable_jobs(&state, &access, &of, LETTERS).await?;
    let letters = state.dead_letters.list(&jobs, filter, &listing).await?;
    Ok(paging::part(letters, listing.sort))
}

/// A dead letter with its payload.
#[utoipa::path(
    get, path = "/api/job/{job}/dead-letters/{id}", operation_id = "getDeadLetter",
    responses((status = 200, body = Data<Opened>), (status = 400)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/dead-letters"}))),
)]
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
#[utoipa::path(
    post, path = "/api/job/{job}/dead-letters/{id}/redrive", operation_id = "redriveDeadLetter",
    responses((status = 200, body = Done), (status = 400)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}/dead-letters"}))),
)]
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
#[utoipa::path(
    post, path = "/api/job/{job}/dead-letters/redrive", operation_id = "redriveDeadLetters",
    responses((status = 200, body = Data<Changed>)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}/dead-letters"}))),
)]
pub(super) async fn redrive_all(state: State, access: Access, job: web::Path<String>) -> Reply {
    let job = state.job(&access, Action::Write, &job, PART).await?;
    let count = state.dead_letters.redrive_all(job.id).await?;
    Ok(reply::data(Changed { count }))
}

/// Removes a dead letter.
#[utoipa::path(
    delete, path = "/api/job/{job}/dead-letters/{id}", operation_id = "discardDeadLetter",
    responses((status = 200, body = Done), (status = 400)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}/dead-letters"}))),
)]
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
#[utoipa::path(
    delete, path = "/api/job/{job}/dead-letters", operation_id = "discardDeadLetters",
    responses((status = 200, body = Data<Changed>)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}/dead-letters"}))),
)]
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
