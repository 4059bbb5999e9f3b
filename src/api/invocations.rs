//! What became of invocations, and doing one again.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, TriggerId, VersionId};
use jobber_actors::ports::InvocationStatus;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::access::Access;
use super::everywhere::{self, OfJob};
use super::input::{Query, moment};
use super::paging::{self, ShortPaging};
use super::problem::ApiError;
use super::reply::{self, Data, PageOf};
use super::state::ApiState;
use crate::access::Action;
use crate::store::{Captured, InvocationFilter, InvocationSort, RecordedInvocation, TriggerType};

pub(super) mod begin;
mod bulk;
mod points;
mod replay;

pub(super) use bulk::*;
pub(super) use points::*;
pub(super) use replay::*;

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;

/// What permissions call them.
const PART: &str = "invocations";
/// Most characters of a text that is searched for.
const MOST_TEXT: usize = 200;

/// Which invocations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those that stand like this; several with commas: `queued`, `running`, `succeeded`, `failed`, `timed-out`, `refused`, `lost`,
    /// `cancelled`, `missed`, `skipped`.
    #[serde(default, deserialize_with = "statuses")]
    #[param(value_type = Option<String>)]
    status: Vec<InvocationStatus>,
    /// Those that one kind of trigger started.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<TriggerType>,
    /// Those that one trigger started.
    #[param(value_type = Option<uuid::Uuid>)]
    trigger_id: Option<TriggerId>,
    /// Those of one version.
    #[param(value_type = Option<uuid::Uuid>)]
    version_id: Option<VersionId>,
    /// Those that were made then or later.
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Those that were made before.
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
    /// Those that took at least so many milliseconds, waiting included.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_u32)]
    longer_than: Option<u32>,
    /// Those that took at most so many milliseconds.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_u32)]
    shorter_than: Option<u32>,
    /// Those of which path, topic, error or trigger's name contain this.
    text: Option<String>,
}

/// In which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sorting {
    #[param(inline)]
    sort: Option<InvocationSort>,
}

/// An invocation with everything that is known of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenedInvocation)]
pub(super) struct Opened {
    /// The last attempt.
    #[serde(flatten)]
    last: RecordedInvocation,
    /// All attempts, the first one first.
    attempts: Vec<RecordedInvocation>,
    /// What happened when, over all attempts.
    timeline: Vec<Moment>,
    /// What was kept of the input and output of the last attempt.
    payload: Option<Payload>,
    /// Where its lines are in the log.
    logs: String,
}

/// Something that happened to an invocation.
#[derive(Serialize, ToSchema)]
#[schema(as = InvocationMoment)]
struct Moment {
    /// When.
    at: DateTime<Utc>,
    /// Of which attempt.
    attempt: i64,
    /// `queued`, `started`, or how it ended.
    what: String,
}

/// Input and output of an attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InvocationPayload)]
struct Payload {
    /// What the trigger said, without credentials.
    input: Value,
    /// The body that came with it.
    input_body: CapturedBody,
    /// Status and headers of the answer, without credentials; null if there was none.
    output: Option<Value>,
    /// The answer's body.
    output_body: CapturedBody,
}

/// The beginning of a body.
#[derive(Serialize, ToSchema)]
pub(super) struct CapturedBody {
    /// In base64.
    base64: String,
    /// The same, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Whether there was more.
    truncated: bool,
}

/// Attempts at invocations of a job, the newest first unless asked otherwise.
#[utoipa::path(
    get, path = "/api/job/{job}/invocations", operation_id = "listInvocations",
    params(ShortPaging, Filter, Sorting),
    responses((status = 200, body = PageOf<RecordedInvocation>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/invocations"}))),
)]
pub(super) async fn list(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(paging): Query<ShortPaging>,
    Query(filter): Query<Filter>,
    Query(sorting): Query<Sorting>,
) -> Reply {
    let listing = paging.listing(sorting.sort)?;
    let filter = filter.checked()?;
    let job = state.job(&access, Action::Read, &job, &[PART]).await?;
    let found = state.invocations.list(&[job.id], &filter, &listing).await?;
    Ok(paging::part(found, listing.sort))
}

/// Attempts at invocations of all jobs of which one may read them.
#[utoipa::path(
    get, path = "/api/invocations", operation_id = "listAllInvocations",
    params(ShortPaging, OfJob, Filter, Sorting),
    responses((status = 200, body = PageOf<RecordedInvocation>)),
)]
pub(super) async fn list_all(
    state: State,
    access: Access,
    Query(paging): Query<ShortPaging>,
    Query(of): Query<OfJob>,
    Query(filter): Query<Filter>,
    Query(sorting): Query<Sorting>,
) -> Reply {
    let listing = paging.listing(sorting.sort)?;
    let filter = filter.checked()?;
    let readable = everywhere::readable_jobs(&state, &access, &of, PART).await?;
    let found = state.invocations.list(&readable, &filter, &listing).await?;
    Ok(paging::part(found, listing.sort))
}

/// An invocation with its attempts, and with its input and output if they were kept.
#[utoipa::path(
    get, path = "/api/invocations/{invocation}", operation_id = "getInvocation",
    responses((status = 200, body = Data<Opened>), (status = 400), (status = 404)),
)]
pub(super) async fn get(state: State, access: Access, id: web::Path<String>) -> Reply {
    let (attempts, last) = find(&state, &access, Action::Read, &id).await?;
    let captured = if last.captured {
        state.invocations.captured(last.id, last.attempt).await?
    } else {
        None
    };
    Ok(reply::data(Opened {
        timeline: attempts.iter().flat_map(moments).collect(),
        logs: format!("/api/job/{}/logs?invocation={}", last.job_id, last.id),
        payload: captured.map(Payload::from),
        attempts,
        last,
    }))
}

/// All attempts at an invocation, and the last one. One that may not be seen is not there.
async fn find(
    state: &ApiState,
    access: &Access,
    action: Action,
    id: &str,
) -> Result<(Vec<RecordedInvocation>, RecordedInvocation), ApiError> {
    let wrong = |_| ApiError::bad_request(format!("{id:?} is no id of an invocation"));
    let parsed: InvocationId = id.parse().map_err(wrong)?;
    let attempts = state.invocations.find(parsed).await?;
    let Some(last) = attempts.last().cloned() else {
        return Err(none(parsed));
    };
    let jobs = everywhere::resources(state).await?;
    // Records outlive their job; then those may see them who may see all jobs' ones.
    let job = jobs.get(&last.job_id).cloned();
    let resource = job.unwrap_or_else(|| everywhere::gone(last.job_id)).below(PART);
    if !access.may(Action::Read, &resource) {
        return Err(none(parsed));
    }
    access.require(action, &resource)?;
    Ok((attempts, last))
}

fn none(id: InvocationId) -> ApiError {
    let detail = format!("there is no record of an invocation {id}: it is too old, or never was");
    ApiError::new(StatusCode::NOT_FOUND, "invocation-not-found", detail)
}

fn moments(attempt: &RecordedInvocation) -> impl Iterator<Item = Moment> {
    let RecordedInvocation {
        queued,
        started,
        ended,
        status,
        ..
    } = attempt;
    let number = attempt.attempt;
    [
        Some((*queued, "queued")),
        started.map(|at| (at, "started")),
        ended.map(|at| (at, status.as_str())),
    ]
    .into_iter()
    .flatten()
    .map(move |(at, what)| Moment {
        at,
        attempt: number,
        what: what.to_owned(),
    })
    .collect::<Vec<_>>()
    .into_iter()
}

impl Filter {
    fn checked(self) -> Result<InvocationFilter, ApiError> {
        if self.text.as_ref().is_some_and(|text| text.len() > MOST_TEXT) {
            let message = format!("is longer than {MOST_TEXT} bytes");
            return Err(ApiError::bad_parameter("text", "too-long", message));
        }
        let milliseconds = |count: u32| Duration::from_millis(count.into());
        Ok(InvocationFilter {
            statuses: self.status,
            kind: self.kind,
            trigger: self.trigger_id,
            version: self.version_id,
            from: self.from,
            to: self.to,
            longer: self.longer_than.map(milliseconds),
            shorter: self.shorter_than.map(milliseconds),
            text: self.text.filter(|text| !text.is_empty()),
        })
    }
}

/// Names with commas between them.
fn statuses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<InvocationStatus>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let known = InvocationStatus::ALL.map(InvocationStatus::name).join(", ");
            InvocationStatus::named(name)
                .ok_or_else(|| serde::de::Error::custom(format!("{name:?} is none of {known}")))
        })
        .collect()
}

impl CapturedBody {
    pub(super) fn of(bytes: Vec<u8>, truncated: bool) -> Self {
        Self {
            base64: STANDARD.encode(&bytes),
            text: String::from_utf8(bytes).ok(),
            truncated,
        }
    }
}

impl From<Captured> for Payload {
    fn from(captured: Captured) -> Self {
        let body = CapturedBody::of;
        Self {
            input: captured.input,
            input_body: body(captured.input_body, captured.input_truncated),
            output: captured.output,
            output_body: body(captured.output_body, captured.output_truncated),
        }
    }
}
