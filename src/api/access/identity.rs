//! Who makes a request: the instance's token, a user's token, or a session's cookie.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError, web};

use super::audit::audited;
use crate::access::{Principal, SecretHash, Who};
use crate::api::problem::ApiError;
use crate::api::state::ApiState;

/// The name of a session's cookie.
pub(in crate::api) const COOKIE: &str = "jobber-session";

/// Lets a request pass that says who makes it, and refuses all others before their body is read. A refusal is an answer, and
/// no error: what is added to answers is added to it, too.
pub(in crate::api) async fn authenticate(
    state: web::Data<ApiState>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let principal = match admit(&state, &request).await {
        Ok(principal) => principal,
        Err(refusal) => {
            let answer = request.into_response(refusal.error_response());
            return Ok(answer.map_into_right_body());
        }
    };
    request.extensions_mut().insert(principal.clone());
    let answer = if changes(request.method()) {
        audited(&state, principal, request, next).await?
    } else {
        next.call(request).await?
    };
    Ok(answer.map_into_left_body())
}

async fn admit(state: &ApiState, request: &ServiceRequest) -> Result<Principal, ApiError> {
    let principal = identify(state, request.request()).await?;
    if matches!(principal.who, Who::User { .. }) && changes(request.method()) && is_foreign(request) {
        return Err(ApiError::foreign_origin());
    }
    Ok(principal)
}

/// Who makes a request.
///
/// # Errors
/// `401` when it is nobody who may come in (any more).
pub(in crate::api) async fn identify(state: &ApiState, request: &HttpRequest) -> Result<Principal, ApiError> {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some(header) = header {
        // Whoever sends a token means it, whatever cookie a browser adds.
        let token = bearer(header).ok_or_else(ApiError::unauthorized)?;
        if state.token.admits(token) {
            return Ok(Principal::instance());
        }
        let principal = state.api_tokens.principal(&SecretHash::of(token)).await?;
        return principal.ok_or_else(ApiError::unauthorized);
    }
    let cookie = request.cookie(COOKIE).ok_or_else(ApiError::unauthorized)?;
    let principal = state.sessions.principal(&SecretHash::of(cookie.value())).await?;
    principal.ok_or_else(ApiError::unauthorized)
}

/// The token of an `Authorization` header. The scheme's name ignores case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn changes(method: &Method) -> bool {
    !(method.is_safe() || method == Method::HEAD)
}

/// Whether a page of another site makes this request. Browsers say where a change comes from; other programs do not, and
/// nobody lends them a cookie.
fn is_foreign(request: &ServiceRequest) -> bool {
    let text = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or(""))
    };
    let Some(origin) = text(ORIGIN) else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_none() || host != text(HOST)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_bearer_tokens_are_taken() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
    }

    #[test]
    fn a_change_from_a_page_of_another_site_is_foreign() {
        let foreign = |origin: Option<&str>| {
            let request = TestRequest::post().insert_header((HOST, "jobber.example:3000"));
            let request = match origin {
                Some(origin) => request.insert_header((ORIGIN, origin)),
                None => request,
            };
            is_foreign(&request.to_srv_request())
        };
        assert!(!foreign(None));
        assert!(!foreign(Some("http://jobber.example:3000")));
        assert!(foreign(Some("https://evil.example")));
        assert!(foreign(Some("http://jobber.example")));
        assert!(foreign(Some("null")));
    }
}
