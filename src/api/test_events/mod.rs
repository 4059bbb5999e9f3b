//! Trying a version out with an event that a person makes up.

mod event;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use jobber_actors::domain::{InvocationId, TriggerId};
use jobber_actors::invocation::ByHand;
use jobber_actors::tree::{Begin, Heard, HeardAnswer, HeardEnd};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use self::event::{Deliverable, Event, pairs};
use super::access::{Access, Change, address, note_change};
use super::input::Body;
use super::invocations::CapturedBody;
use super::invocations::begin::{begin, no_version, runnable};
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::Action;
use crate::api::publish::problem_of;
use crate::publish::PublishError;

/// Most bytes of a request with an event: more than a body of a mebibyte in base64.
const MAX_BODY_BYTES: usize = 2 << 20;
/// Most bytes of a function's answer that are passed on.
const ANSWER_BYTES: usize = 256 << 10;
/// How many seconds the end is waited for, unless the request says it.
const WAIT_SECONDS: u8 = 30;
/// The most that it may say. A client hears nothing meanwhile.
const MAX_WAIT_SECONDS: u8 = 50;

/// What is to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = VersionTest)]
pub(super) struct Test {
    /// Id or name of the version's trigger that the event is from. Without it, the one that such an event would start; if there is none,
    /// the first of its kind.
    trigger: Option<String>,
    event: Event,
    /// How many seconds the end is waited for; 30 unless it is given.
    #[schema(maximum = 50)]
    wait_seconds: Option<u8>,
}

/// What came of an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Tested {
    /// The invocation.
    #[schema(value_type = uuid::Uuid)]
    invocation_id: InvocationId,
    /// The trigger that the handler was told.
    #[schema(value_type = uuid::Uuid)]
    trigger_id: TriggerId,
    /// Its name.
    trigger_name: Option<String>,
    /// Whether such an event would start the trigger: its route or one of its topics matches.
    matches: bool,
    /// Names of header fields that were not sent: they belong to a connection, or Jobber writes them.
    left_out: Vec<String>,
    /// `running`, or how it ended.
    status: &'static str,
    /// Milliseconds from its admission to its end.
    duration_ms: Option<f64>,
    /// What the function answered to a request.
    answer: Option<Answer>,
    /// Why it was no success.
    error: Option<Failure>,
}

/// A function's answer.
#[derive(Serialize, ToSchema)]
#[schema(as = TestAnswer)]
struct Answer {
    status: u16,
    /// Names and values.
    #[schema(schema_with = pairs)]
    headers: Vec<(String, String)>,
    body: CapturedBody,
    /// How many bytes of the body have come.
    bytes: u64,
    /// Whether the body has come to its end.
    complete: bool,
}

/// Why an invocation was no success.
#[derive(Serialize, ToSchema)]
#[schema(as = TestFailure)]
struct Failure {
    /// A stable code.
    code: String,
    /// The class of what the handler threw.
    name: Option<String>,
    /// What it says.
    message: String,
    /// Where it was thrown.
    stack: Option<String>,
}

/// Sends an event to a version, whether it serves or not, and gives what the function answers; `202` if it has not ended by then.
#[utoipa::path(
    post, path = "/api/job/{job}/versions/{version}/test", operation_id = "testVersion",
    tag = "versions",
    request_body = Test,
    responses((status = 200, body = Data<Tested>), (status = 202, body = Data<Tested>), (status = 409), (status = 504)),
    extensions(
        ("x-permission" = json!({"action": "write", "resource": "job/{job}/invocations"})),
        ("x-max-body-bytes" = json!(MAX_BODY_BYTES)),
    ),
)]
pub(super) async fn send(
    state: web::Data<ApiState>,
    access: Access,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    Body(test): Body<Test>,
) -> Result<HttpResponse, ApiError> {
    let (job, version) = path.into_inner();
    let job = state.job(&access, Action::Write, &job, &["invocations"]).await?;
    let wait = test.wait_seconds.unwrap_or(WAIT_SECONDS);
    if wait > MAX_WAIT_SECONDS {
        let message = format!("is at most {MAX_WAIT_SECONDS}");
        return Err(ApiError::invalid("/waitSeconds", "too-large", message));
    }
    let version = state.jobs.find_version(job.id, &version).await?;
    let version = version.ok_or_else(no_version)?.id;
    let triggers = state.jobs.version_triggers(job.id, version).await?;
    let triggers = triggers.ok_or_else(no_version)?;
    let triggers = triggers.map_err(|errors| problem_of(PublishError::Manifest(errors)))?;
    let kind = test.event.kind();
    let deliverable = test
        .event
        .deliverable(&triggers, test.trigger.as_deref(), sender(&request))?;
    runnable(&state, job.id, version).await?;
    let Deliverable {
        trigger,
        matches,
        input,
        body,
        left_out,
    } = deliverable;
    let event = Begin {
        job: job.id,
        version: Some(version),
        reason: ByHand::Test,
        trigger: trigger.clone(),
        input,
        body: body.into(),
        answer_bytes: ANSWER_BYTES,
    };
    let mut begun = begin(&state, event).await?;
    note_change(
        &request,
        Change::made(&json!({ "invocationId": begun.id, "triggerId": trigger.id, "type": kind })),
    );
    let heard = begun.heard_within(Duration::from_secs(wait.into())).await;
    let has_ended = heard.end.is_some();
    let tested = Tested {
        invocation_id: begun.id,
        trigger_id: trigger.id,
        trigger_name: trigger.name.as_deref().map(str::to_owned),
        matches,
        left_out,
        status: heard.end.as_ref().map_or("running", |end| end.status.name()),
        duration_ms: heard.end.as_ref().map(|end| end.took.as_secs_f64() * 1000.0),
        error: heard.end.as_ref().and_then(Failure::of),
        answer: Answer::of(heard).filter(|_| kind == "http"),
    };
    Ok(if has_ended {
        reply::data(tested)
    } else {
        reply::accepted(tested)
    })
}

/// Whom the function sees as the client.
fn sender(request: &HttpRequest) -> IpAddr {
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    address(request).parse().unwrap_or(unknown)
}

impl Answer {
    fn of(heard: Heard) -> Option<Self> {
        let complete = heard.end.is_some_and(|end| end.error.is_none());
        let HeardAnswer { head, body, bytes } = heard.answer?;
        let truncated = bytes > body.len() as u64;
        Some(Self {
            status: head.status,
            headers: head.headers,
            body: CapturedBody::of(body, truncated),
            bytes,
            complete,
        })
    }
}

impl Failure {
    fn of(end: &HeardEnd) -> Option<Self> {
        let error = end.error.clone()?;
        Some(Self {
            code: error.code.into_owned(),
            name: error.name,
            message: error.message,
            stack: end.stack.clone(),
        })
    }
}
