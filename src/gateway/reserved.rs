//! The paths that no trigger can take: `/healthz`, `/readyz` and everything below `/_jobber/`.

use actix_http::body::BodySize;
use actix_http::header::{self, HeaderValue};
use actix_http::{Method, RequestHead, Response, StatusCode};
use bytes::Bytes;

use super::Shared;
use super::answer::{Asked, refuse};
use super::body::AnswerBody;
use super::exchange::Exchange;
use super::problem::{Code, INVOCATION, PAGES, Problem, invocation_value};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const MARKDOWN: HeaderValue = HeaderValue::from_static("text/markdown; charset=utf-8");

/// Answers a request for a reserved path.
pub(crate) fn serve<T>(
    shared: &Shared<T>,
    head: &RequestHead,
    asked: Asked,
    exchange: Exchange,
) -> Response<AnswerBody> {
    let found = match head.uri.path() {
        "/healthz" => Some((StatusCode::OK, TEXT, "ok\n")),
        "/readyz" if shared.is_ready() => Some((StatusCode::OK, TEXT, "ready\n")),
        "/readyz" => Some((StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n")),
        path => page(path).map(|text| (StatusCode::OK, MARKDOWN, text)),
    };
    let Some((status, kind, text)) = found else {
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
        AnswerBody::whole(Bytes::from_static(text.as_bytes()), exchange)
    };
    let mut response = Response::with_body(status, body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(INVOCATION, invocation_value(asked.invocation));
    response
}

/// The page of an error code: what `type` in a problem document points to.
fn page(path: &str) -> Option<&'static str> {
    Code::named(path.strip_prefix(PAGES)?).map(Code::page)
}
