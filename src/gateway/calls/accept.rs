//! Accepting a request that is answered later.

use actix_http::header::{self, HeaderName, HeaderValue};
use actix_http::{Payload, RequestHead, Response, StatusCode};
use bytes::Bytes;
use jobber_actors::domain::InvocationId;
use jobber_actors::invocation::HttpInput;
use jobber_actors::trace::{TRACEPARENT, TRACESTATE};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

pub(in crate::gateway) use super::question::wants_later;
use super::question::{
    CALLBACK, RESPOND_ASYNC, callback, credentials, fingerprint, idempotency_key, prefers_later,
};
use crate::callbacks::{Target, TargetError};
use crate::calls::{Calls, SubmitError};
use crate::gateway::admission::{Deferred, body_over, origin};
use crate::gateway::answer::{Asked, refuse};
use crate::gateway::body::AnswerBody;
use crate::gateway::connection::Expected;
use crate::gateway::exchange::Exchange;
use crate::gateway::handler::upload_failed_of;
use crate::gateway::problem::{Code, INVOCATION, Problem, invocation_value};
use crate::gateway::request::{authority, http_input};
use crate::gateway::upload::{UploadError, discard, read_up_to};
use crate::gateway::{Destination, Shared};
use crate::store::{NewCall, RequestKey, Submitted};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What an accepted call is answered with.
#[derive(Serialize)]
struct Accepted<'a> {
    id: InvocationId,
    state: &'static str,
    location: &'a str,
}

/// A request on its way into the durable queue.
pub(in crate::gateway) struct Accept<T> {
    pub(in crate::gateway) asked: Asked,
    pub(in crate::gateway) expected: Expected,
    pub(in crate::gateway) deferred: Deferred<T>,
}

impl<T: Destination> Accept<T> {
    pub(in crate::gateway) async fn run(
        self,
        shared: &Shared<T>,
        calls: &Calls,
        head: &RequestHead,
        mut payload: Payload,
        mut exchange: Exchange,
    ) -> Response<AnswerBody> {
        let Self {
            mut asked,
            expected,
            deferred,
        } = self;
        let Deferred {
            target,
            params,
            place,
        } = deferred;
        exchange.hold(place);
        let question = ask(shared, calls, head, expected, &mut payload).await;
        let Question {
            key,
            callback,
            body,
            room,
        } = match question {
            Ok(question) => question,
            Err(problem) => {
                let most = shared.config.inline_body_bytes;
                let small = matches!(expected, Expected::Bytes(bytes) if bytes <= most);
                let problem = if small && discard(&mut payload).await {
                    problem
                } else {
                    exchange.keep(payload);
                    problem.closing()
                };
                return refuse(problem, asked, &shared.gauges, None, exchange);
            }
        };
        let call = NewCall {
            id: asked.invocation,
            job: target.job(),
            trigger: target.trigger().clone(),
            request: input(shared, head, params, expected),
            body,
            key,
            callback,
        };
        let submitted = calls.submit(call, room).await;
        match id_of(submitted, asked.invocation, shared) {
            Ok(id) => {
                asked.invocation = id;
                accepted(calls, head, asked, exchange)
            }
            Err(problem) => refuse(problem, asked, &shared.gauges, None, exchange),
        }
    }
}

/// All that the client wants.
struct Question {
    key: Option<RequestKey>,
    callback: Option<String>,
    body: Bytes,
    /// The body's place in memory.
    room: OwnedSemaphorePermit,
}

/// What the client wants; the body is read last.
async fn ask<T>(
    shared: &Shared<T>,
    calls: &Calls,
    head: &RequestHead,
    expected: Expected,
    payload: &mut Payload,
) -> Result<Question, Problem> {
    let bad = |detail| Problem::new(Code::BadRequest, detail);
    let key = idempotency_key(head).map_err(bad)?;
    let callback = callback(head).map_err(bad)?;
    if let Some(callback) = callback {
        check(calls, callback).await?;
    }
    let most = calls.config().max_body;
    let length = match expected {
        Expected::Bytes(length) => length,
        Expected::Unknown => most,
    };
    let busy = || {
        Problem::new(Code::ServerBusy, "Too many requests are being accepted.")
            .with_retry_after(shared.config.retry_after_seconds())
    };
    let room = calls.room(length).ok_or_else(busy)?;
    let body = if expected == Expected::Bytes(0) {
        Bytes::new()
    } else {
        let read = read_up_to(payload, most, shared.config.body_timeout).await;
        read.map_err(|error: UploadError| upload_failed_of(&error, shared, || body_over(most)))?
    };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let key = key.map(|key| RequestKey {
        key: format!("{}:{key}", calls.locations().caller(credentials(head))),
        fingerprint: fingerprint(head.method.as_str(), target, callback, &body),
    });
    Ok(Question {
        key,
        callback: callback.map(str::to_owned),
        body,
        room,
    })
}

async fn check(calls: &Calls, callback: &str) -> Result<(), Problem> {
    let refused = |error: TargetError| match error {
        TargetError::Malformed(what) => Problem::new(Code::BadRequest, format!("X-Jobber-Callback: {what}.")),
        error => Problem::new(Code::CallbackNotAllowed, format!("X-Jobber-Callback: {error}.")),
    };
    let target = Target::parse(callback).map_err(refused)?;
    calls.gate().check(&target).await.map_err(refused)
}

/// What the function will see of the request. The trace that the client names goes along; where its result goes does not.
fn input<T>(
    shared: &Shared<T>,
    head: &RequestHead,
    params: std::collections::BTreeMap<String, String>,
    expected: Expected,
) -> HttpInput {
    let origin = origin(head, &shared.config);
    let host = authority(head, &origin).unwrap_or(&shared.authority);
    let mut input = http_input(head, &origin, host, params, expected);
    input.headers.retain(|(name, _)| *name != CALLBACK.as_str());
    for name in [TRACEPARENT, TRACESTATE] {
        let values = head.headers.get_all(name).filter_map(|value| value.to_str().ok());
        input
            .headers
            .extend(values.map(|value| (name.to_owned(), value.to_owned())));
    }
    input
}

/// The call that the client is told of, or why there is none.
fn id_of<T>(
    submitted: Result<Submitted, SubmitError>,
    id: InvocationId,
    shared: &Shared<T>,
) -> Result<InvocationId, Problem> {
    let retry_after = shared.config.retry_after_seconds();
    match submitted {
        Ok(Submitted::Accepted) => Ok(id),
        Ok(Submitted::Known(known)) => Ok(known),
        Ok(Submitted::KeyReused) => Err(Problem::new(
            Code::IdempotencyKeyReused,
            "A request with another method, path, query, callback or body had this Idempotency-Key.",
        )),
        Ok(Submitted::JobFull) => {
            let detail = "As many calls as may are waiting for this function; it takes no more.";
            Err(Problem::new(Code::QueueFull, detail).with_retry_after(retry_after))
        }
        Ok(Submitted::JobGone) => Err(Problem::new(Code::NoRoute, "The function is being removed.")),
        Err(SubmitError::Busy) => {
            let detail = "Too many calls are being accepted.";
            Err(Problem::new(Code::ServerBusy, detail).with_retry_after(retry_after))
        }
        Err(SubmitError::Unavailable(_)) => Err(unavailable(retry_after)),
    }
}

/// The database does not answer.
pub(super) fn unavailable(retry_after: u64) -> Problem {
    Problem::new(Code::CallsUnavailable, "The server's database does not answer.")
        .with_retry_after(retry_after)
}

fn accepted(calls: &Calls, head: &RequestHead, asked: Asked, exchange: Exchange) -> Response<AnswerBody> {
    let id = asked.invocation;
    let location = calls.locations().of(id);
    let document = Accepted {
        id,
        state: "queued",
        location: &location,
    };
    let mut response = super::found::json(StatusCode::ACCEPTED, &document, asked, exchange);
    let headers = response.headers_mut();
    headers.insert(
        header::LOCATION,
        HeaderValue::try_from(&location).expect("an id and a token are ASCII"),
    );
    headers.insert(INVOCATION, invocation_value(id));
    if prefers_later(head) {
        headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static(RESPOND_ASYNC));
    }
    response
}
