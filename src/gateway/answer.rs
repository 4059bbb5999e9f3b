//! From the end of an invocation to an HTTP answer.

use actix_http::body::BodySize;
use actix_http::header::{self, HeaderMap, HeaderName};
use actix_http::{ConnectionType, Response, StatusCode};
use jobber_actors::domain::InvocationId;
use jobber_actors::invocation::{FunctionError, LostReason, Outcome, OutputBody, ResponseHead, TimeoutPhase};
use jobber_actors::ports::RunnerExit;

use super::admission::refused;
use super::body::AnswerBody;
use super::config::GatewayConfig;
use super::exchange::{Exchange, Gauges};
use super::problem::{Code, INVOCATION, Problem, invocation_value};
use super::request::{is_hop_by_hop, is_named_by, value_of};
use super::upload::Upload;

/// What of a request its answer depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) invocation: InvocationId,
    /// `HEAD`: the answer has no body.
    pub(crate) head_only: bool,
    /// The connection cannot be used again: HTTP/1.0 without chunks, or an upgrade that was not made.
    pub(crate) http_10: bool,
    pub(crate) upgrade_ignored: bool,
}

/// The answer to a request whose invocation ended like this.
pub(crate) fn answer(
    outcome: Outcome,
    asked: Asked,
    config: &GatewayConfig,
    gauges: &Gauges,
    upload: Option<Upload>,
    exchange: Exchange,
) -> Response<AnswerBody> {
    match outcome {
        Outcome::Responded { head, body } => match translate(&head) {
            Ok((status, headers)) => respond(status, headers, body, asked, upload, exchange),
            Err(fault) => {
                let problem = Problem::new(
                    Code::InvalidResponse,
                    if config.expose_errors {
                        fault
                    } else {
                        INVALID.to_owned()
                    },
                );
                refuse(problem, asked, gauges, upload, exchange)
            }
        },
        other => refuse(failure(other, config), asked, gauges, upload, exchange),
    }
}

const INVALID: &str = "The function answered with something that is not a valid HTTP response.";

/// A problem document as the answer.
pub(crate) fn refuse(
    problem: Problem,
    asked: Asked,
    gauges: &Gauges,
    upload: Option<Upload>,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    if let Some(leftover) = upload.and_then(Upload::into_leftover) {
        exchange.keep(leftover);
    }
    gauges.refuse(problem.code());
    tracing::debug!(invocation = %asked.invocation, code = problem.code().as_str(), "refused");
    let mut response = problem.into_response(asked.invocation, |json| {
        if asked.head_only {
            AnswerBody::nothing(BodySize::Sized(json.len() as u64), exchange)
        } else {
            AnswerBody::whole(json, exchange)
        }
    });
    if asked.upgrade_ignored {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// What is told of an invocation that has no answer of its own.
fn failure(outcome: Outcome, config: &GatewayConfig) -> Problem {
    match outcome {
        Outcome::Failed(error) => failed(error, config),
        Outcome::Lost(reason) => Problem::new(Code::RunnerLost, lost(&reason)),
        Outcome::TimedOut {
            phase: TimeoutPhase::Queue,
            after,
        } => {
            let detail = format!("The request waited {} s for a runner.", after.as_secs_f32());
            Problem::new(Code::QueueTimeout, detail).with_retry_after(config.retry_after_seconds())
        }
        Outcome::TimedOut {
            phase: TimeoutPhase::Handler,
            after,
        } => {
            let detail = format!("The function did not answer within {} s.", after.as_secs_f32());
            Problem::new(Code::FunctionTimeout, detail)
        }
        Outcome::Refused(refusal) => refused(refusal, config),
        Outcome::Settled | Outcome::Responded { .. } => {
            Problem::new(Code::InvalidResponse, "The function finished without an answer.")
        }
    }
}

fn failed(error: FunctionError, config: &GatewayConfig) -> Problem {
    if config.expose_errors {
        Problem::new(Code::FunctionFailed, format!("{}: {}", error.name, error.message)).with_error(error)
    } else {
        Problem::new(
            Code::FunctionFailed,
            "The function threw an error; the job's log has it under this invocation.",
        )
    }
}

fn lost(reason: &LostReason) -> String {
    match reason {
        LostReason::RunnerExited { exit } => {
            format!("The runner ended while it worked on this request{}.", how(exit))
        }
        LostReason::SessionEnded { .. } => {
            "The runner's connection ended while it worked on this request.".into()
        }
        LostReason::RunnerStopped => "The runner was stopped while it worked on this request.".into(),
        LostReason::Dropped => "The server lost the request.".into(),
    }
}

fn how(exit: &RunnerExit) -> &'static str {
    if exit.out_of_memory {
        " because it had no memory left"
    } else {
        ""
    }
}

/// Checks what the function said. The text is for its author.
pub(crate) fn translate(head: &ResponseHead) -> Result<(StatusCode, HeaderMap), String> {
    let status = StatusCode::from_u16(head.status)
        .ok()
        .filter(|status| (200..=599).contains(&status.as_u16()));
    let status =
        status.ok_or_else(|| format!("{} is no status of a final response (200 to 599)", head.status))?;
    let connection = || {
        head.headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("connection"))
            .map(|(_, value)| &**value)
    };
    let has_connection = connection().next().is_some();
    let mut headers = HeaderMap::with_capacity(head.headers.len() + 1);
    for (name, value) in &head.headers {
        let parsed =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
        if is_hop_by_hop(parsed.as_str()) || (has_connection && is_named_by(connection(), parsed.as_str())) {
            continue;
        }
        let value = value_of(value).ok_or_else(|| {
            format!("the value of the header {parsed} holds a character that may not be there")
        })?;
        headers.append(parsed, value);
    }
    Ok((status, headers))
}

pub(crate) fn respond(
    status: StatusCode,
    mut headers: HeaderMap,
    body: OutputBody,
    asked: Asked,
    upload: Option<Upload>,
    mut exchange: Exchange,
) -> Response<AnswerBody> {
    let declared = declared_length(&headers);
    if status != StatusCode::NOT_MODIFIED {
        headers.remove(header::CONTENT_LENGTH);
    }
    headers.insert(INVOCATION, invocation_value(asked.invocation));
    let streams = matches!(body, OutputBody::Stream(_));
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let upload = if streams && !bodiless && !asked.head_only {
        upload
    } else {
        if let Some(leftover) = upload.and_then(Upload::into_leftover) {
            exchange.keep(leftover);
        }
        None
    };
    let body = match body {
        _ if bodiless => AnswerBody::nothing(BodySize::None, exchange),
        body if asked.head_only => AnswerBody::nothing(head_size(declared, &body), exchange),
        OutputBody::Whole(bytes) => AnswerBody::whole(bytes, exchange),
        OutputBody::Stream(receiver) => {
            let size = declared.map_or(BodySize::Stream, BodySize::Sized);
            AnswerBody::stream(receiver, size, upload, exchange)
        }
    };
    let mut response = Response::with_body(status, body);
    if status.canonical_reason().is_none() {
        response.head_mut().reason = Some("");
    }
    *response.headers_mut() = headers;
    if asked.upgrade_ignored || (asked.http_10 && streams && declared.is_none()) {
        // The end of the connection is the end of the body.
        response.head_mut().no_chunking(asked.http_10);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// What `HEAD` says about the body that `GET` would have.
fn head_size(declared: Option<u64>, body: &OutputBody) -> BodySize {
    match (declared, body) {
        (Some(length), _) => BodySize::Sized(length),
        (None, OutputBody::Whole(bytes)) if !bytes.is_empty() => BodySize::Sized(bytes.len() as u64),
        // A handler for HEAD that says nothing has said nothing.
        (None, OutputBody::Whole(_)) => BodySize::None,
        (None, OutputBody::Stream(_)) => BodySize::Stream,
    }
}
