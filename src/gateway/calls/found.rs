//! What is found under the address of a call: `GET` says how it stands, `DELETE` cancels it, and below it, at `/result`, is what the
//! function answered, as it was.

use actix_http::body::BodySize;
use actix_http::header::{self, HeaderValue};
use actix_http::{ConnectionType, Method, RequestHead, Response, StatusCode};
use jobber_actors::domain::InvocationId;
use jobber_actors::invocation::OutputBody;
use jobber_actors::ports::DeliveryFailure;
use serde::Serialize;

use super::accept::unavailable;
use super::question::wait;
use crate::calls::{CallDocument, CallError, Calls, PREFIX, failure_message, state_name};
use crate::gateway::Shared;
use crate::gateway::admission::place;
use crate::gateway::answer::{Asked, refuse, respond, translate};
use crate::gateway::body::AnswerBody;
use crate::gateway::exchange::Exchange;
use crate::gateway::problem::{Code, INVOCATION, Problem, invocation_value};
use crate::store::{Cancelled, StoredCall, StoredState};

/// The response itself, below a call's address.
const RESULT: &str = "/result";

/// How a call stands, and what is in memory of it.
struct Found {
    call: StoredCall,
    location: String,
}

/// Answers a request for what lies below [`PREFIX`].
pub(in crate::gateway) async fn serve<T>(
    shared: &Shared<T>,
    calls: &Calls,
    head: &RequestHead,
    mut asked: Asked,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    let rest = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let (text, result) = match rest.strip_suffix(RESULT) {
        Some(text) => (text, true),
        None => (rest, false),
    };
    let answered = match calls.locations().call(text) {
        // The same for a call that is not there, and one that is not theirs.
        None => Err(not_found()),
        Some(id) => {
            asked.invocation = id;
            let place = place(shared);
            match place {
                Ok(place) => {
                    exchange.hold(place);
                    answer(shared, calls, head, id, result, &mut exchange).await
                }
                Err(problem) => Err(problem),
            }
        }
    };
    match answered {
        Ok(found) if result => response(shared, found, asked, exchange),
        Ok(Found { call, location }) => {
            let document = CallDocument::new(
                asked.invocation,
                &call,
                Some(&location),
                calls.config().expose_errors,
            );
            let mut response = json(StatusCode::OK, &document, asked, exchange);
            if !call.state.is_final() {
                let seconds = HeaderValue::from(shared.config.retry_after_seconds());
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
        }
        Err(problem) => refuse(problem, asked, &shared.gauges, None, exchange),
    }
}

fn not_found() -> Problem {
    Problem::new(
        Code::NotFound,
        "There is no such call: its address is wrong, or it was kept long enough.",
    )
}

async fn answer<T>(
    shared: &Shared<T>,
    calls: &Calls,
    head: &RequestHead,
    id: InvocationId,
    result: bool,
    exchange: &mut Exchange,
) -> Result<Found, Problem> {
    let location = calls.locations().of(id);
    let failed = |error: CallError| match error {
        CallError::Busy => Problem::new(Code::ServerBusy, "Too many clients ask for calls.")
            .with_retry_after(shared.config.retry_after_seconds()),
        CallError::Database(error) => {
            tracing::warn!(%id, %error, "an asynchronous call can not be looked at");
            unavailable(shared.config.retry_after_seconds())
        }
    };
    match head.method {
        Method::GET | Method::HEAD => {
            let wait = wait(head.uri.query()).map_err(|detail| Problem::new(Code::BadRequest, detail))?;
            let call = calls
                .wait(id, wait)
                .await
                .map_err(failed)?
                .ok_or_else(not_found)?;
            if !matches!(call.state, StoredState::Succeeded(_)) {
                return Ok(Found { call, location });
            }
            let (call, place) = calls.read(id).await.map_err(failed)?.ok_or_else(not_found)?;
            exchange.hold_memory(place);
            Ok(Found { call, location })
        }
        Method::DELETE if !result => match calls.cancel(id).await.map_err(failed)? {
            Cancelled::Yes => {
                let call = calls.wait(id, std::time::Duration::ZERO).await.map_err(failed)?;
                let call = call.ok_or_else(not_found)?;
                Ok(Found { call, location })
            }
            Cancelled::HadEnded => Err(Problem::new(
                Code::CallEnded,
                "The call has ended: there is nothing to cancel.",
            )),
            Cancelled::Unknown => Err(not_found()),
        },
        _ if result => Err(not_allowed(&["GET", "HEAD"])),
        _ => Err(not_allowed(&["GET", "HEAD", "DELETE"])),
    }
}

fn not_allowed(methods: &[&str]) -> Problem {
    Problem::new(
        Code::MethodNotAllowed,
        format!("Only {} are answered here.", methods.join(", ")),
    )
    .with_allow(methods)
}

/// What the function answered, as an ordinary caller would have got it.
fn response<T>(
    shared: &Shared<T>,
    Found { call, .. }: Found,
    asked: Asked,
    exchange: Exchange,
) -> Response<AnswerBody> {
    let retry_after = shared.config.retry_after_seconds();
    let problem = match call.state {
        StoredState::Succeeded(Some(answer)) => match translate(&answer.head) {
            Ok((status, headers)) => {
                let body = OutputBody::Whole(answer.body);
                return respond(status, headers, body, asked, None, exchange);
            }
            Err(_) => Problem::new(
                Code::InvalidResponse,
                "The function answered with something that is not a valid HTTP response.",
            ),
        },
        // It ended, and was forgotten before it could be read.
        StoredState::Succeeded(None) => not_found(),
        StoredState::Failed(failure) => failed(&failure, shared.config.expose_errors),
        StoredState::Cancelled => Problem::new(Code::CallCancelled, "The call was cancelled."),
        state @ (StoredState::Queued | StoredState::Running) => {
            let detail = format!("The call is {}: there is no response yet.", state_name(&state));
            Problem::new(Code::CallNotEnded, detail).with_retry_after(retry_after)
        }
    };
    refuse(problem, asked, &shared.gauges, None, exchange)
}

/// As an ordinary caller would have heard it.
fn failed(failure: &DeliveryFailure, expose_errors: bool) -> Problem {
    let code = match failure.reason.as_str() {
        "runner-lost" => Code::RunnerLost,
        "timed-out" => Code::FunctionTimeout,
        "invalid-response" | "response-too-large" | "response-cut-short" => Code::InvalidResponse,
        "too-large" => Code::HeadersTooLarge,
        _ => Code::FunctionFailed,
    };
    Problem::new(code, failure_message(failure, expose_errors))
}

/// A document as the answer.
pub(super) fn json(
    status: StatusCode,
    document: &impl Serialize,
    asked: Asked,
    exchange: Exchange,
) -> Response<AnswerBody> {
    let text = serde_json::to_vec(document).expect("names and texts always serialise");
    let body = if asked.head_only {
        AnswerBody::nothing(BodySize::Sized(text.len() as u64), exchange)
    } else {
        AnswerBody::whole(text.into(), exchange)
    };
    let mut response = Response::with_body(status, body);
    if asked.upgrade_ignored {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(INVOCATION, invocation_value(asked.invocation));
    response
}
