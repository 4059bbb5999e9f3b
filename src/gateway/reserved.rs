//! The paths that no trigger can take: `/healthz`, `/readyz` and everything below `/_jobber/`.

use actix_http::body::BodySize;
use actix_http::header::{self, HeaderValue};
use actix_http::{Method, RequestHead, Response, StatusCode};
use bytes::Bytes;
use serde::Serialize;

use super::Shared;
use super::answer::{Asked, refuse};
use super::body::AnswerBody;
use super::exchange::Exchange;
use super::problem::{Code, INVOCATION, PAGES, Problem, invocation_value};
use crate::health::{Health, Port};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const MARKDOWN: HeaderValue = HeaderValue::from_static("text/markdown; charset=utf-8");

/// What a reserved path answers.
struct Found {
    status: StatusCode,
    kind: HeaderValue,
    text: Bytes,
}

/// Answers a request for a reserved path.
pub(crate) fn serve<T>(
    shared: &Shared<T>,
    head: &RequestHead,
    asked: Asked,
    exchange: Exchange,
) -> Response<AnswerBody> {
    let Some(Found { status, kind, text }) = find(&shared.health, head.uri.path()) else {
        let problem = Problem::new(Code::NotFound, "This path is reserved and names nothing.");
        return refuse(problem, asked, &shared.gauges, None, exchange);
    };
    if head.method != Method::GET && head.method != Method::HEAD {
        let problem = Problem::new(Code::MethodNotAllowed, "Only GET and HEAD are answered here.")
            .with_allow(&["GET", "HEAD"]);
        return refuse(problem, asked, &shared.gauges, None, exchange);
    }
    let body = if asked.head_only {
        AnswerBody::nothing(BodySize::Sized(text.len() as u64), exchange)
    } else {
        AnswerBody::whole(text, exchange)
    };
    let mut response = Response::with_body(status, body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(INVOCATION, invocation_value(asked.invocation));
    response
}

fn find(health: &Health, path: &str) -> Option<Found> {
    match path {
        "/healthz" => Some(json(StatusCode::OK, &health.report(Port::Gateway).alive())),
        "/readyz" => {
            let report = health.report(Port::Gateway);
            let status = if report.is_ready() {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            Some(json(status, &report))
        }
        path => page(path).map(|text| Found {
            status: StatusCode::OK,
            kind: MARKDOWN,
            text: Bytes::from_static(text.as_bytes()),
        }),
    }
}

fn json(status: StatusCode, document: &impl Serialize) -> Found {
    let text = serde_json::to_vec(document).expect("names and texts always serialise");
    Found {
        status,
        kind: JSON,
        text: text.into(),
    }
}

/// The page of an error code: what `type` in a problem document points to.
fn page(path: &str) -> Option<&'static str> {
    Code::named(path.strip_prefix(PAGES)?).map(Code::page)
}
