//! Errors as the API tells them: the envelope and, beside it, the fields of a problem (RFC 9457).

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::access::{Action, PasswordError, Resource};
use crate::logs::LogArchiveError;
use crate::store::DatabaseError;

/// What the codes mean, a section for each.
const PAGE: &str = include_str!("../../docs/reference/admin-errors.md");

/// An error of the API.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    more: Map<String, Value>,
    retry_after: Option<Duration>,
}

/// One fault of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where, as a JSON pointer into the body; of a parameter after the `?`, its name after a slash.
    pub pointer: String,
    /// What kind of fault, for programs.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
}

impl ApiError {
    /// An error with a code that has its section in the page.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            status,
            code,
            detail,
            errors: Vec::new(),
            more: Map::new(),
            retry_after: None,
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// A parameter after the `?` that can not be taken.
    pub(super) fn bad_parameter(name: &str, code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::bad_request(format!("the parameter {name:?}: {message}")).with_errors(vec![FieldError {
            pointer: format!("/{name}"),
            code: code.to_owned(),
            message,
        }])
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(super) fn no_job(id_or_name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "job-not-found",
            format!("there is no job {id_or_name:?}"),
        )
    }

    pub(super) fn unauthorized() -> Self {
        let detail = "log in, or send a token as `Authorization: Bearer …`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(super) fn forbidden(action: Action, resource: &Resource) -> Self {
        let detail = format!("you need the permission to {action} {resource}");
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(super) fn foreign_origin() -> Self {
        let detail = "a page of another site may not change anything here";
        Self::new(StatusCode::FORBIDDEN, "foreign-origin", detail)
    }

    pub(super) fn wrong_login() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "wrong-login",
            "the user name or the password is wrong",
        )
    }

    pub(super) fn too_many_attempts(wait: Duration) -> Self {
        let detail = "too many attempts to log in have failed";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", detail).retry_after(wait)
    }

    pub(super) fn password(error: PasswordError) -> Self {
        match error {
            PasswordError::Length => Self::invalid("/password", "password", error.to_string()),
            PasswordError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", error.to_string())
                .retry_after(Duration::from_secs(1)),
            PasswordError::Hash(reason) => {
                tracing::error!(reason, "a password could not be hashed");
                Self::internal()
            }
        }
    }

    /// The instance's own token is no user.
    pub(super) fn no_user() -> Self {
        let detail =
            "a token belongs to a user, and you ask with the instance's own token, which is no user's";
        Self::new(StatusCode::CONFLICT, "no-user", detail)
    }

    /// As much is under way as may be.
    pub(super) fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(Duration::from_secs(5))
    }

    /// A value of a document that can not be taken.
    pub(super) fn invalid(pointer: &str, code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let place = pointer.trim_start_matches('/');
        let place = if place.is_empty() { "the body" } else { place };
        let detail = format!("{place}: {message}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with_errors(vec![FieldError {
            pointer: pointer.to_owned(),
            code: code.to_owned(),
            message,
        }])
    }

    fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed; its log says why",
        )
    }

    /// What it is, for programs.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// How it is answered.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// With the faults of a document.
    #[must_use]
    pub(super) fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// With a further field.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// With a word on when to try again.
    #[must_use]
    pub(super) fn retry_after(self, after: Duration) -> Self {
        Self {
            retry_after: Some(after),
            ..self
        }
    }

    /// The answer's body.
    pub(super) fn fields(&self) -> Value {
        let mut body = self.more.clone();
        let title = title(self.code);
        let fields = json!({
            "success": false, "message": self.detail,
            "type": format!("/api/errors#{}", self.code), "title": title, "status": self.status.as_u16(),
            "detail": self.detail, "code": self.code,
        });
        if let Value::Object(fields) = fields {
            body.extend(fields);
        }
        if !self.errors.is_empty() {
            body.insert("errors".to_owned(), json!(self.errors));
        }
        Value::Object(body)
    }
}

/// A code as a headline: `archive-truncated` becomes `Archive truncated`.
fn title(code: &str) -> String {
    let words = code.replace('-', " ");
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        if let Some(after) = self.retry_after {
            response.insert_header((RETRY_AFTER, after.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"jobber\""));
        }
        response.body(self.fields().to_string())
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        // What Postgres says may name tables and values; it is for the operator.
        tracing::error!(%error, "an API request failed at the database");
        match error {
            DatabaseError::Connection(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "database-unavailable",
                "the database does not answer",
            )
            .retry_after(Duration::from_secs(2)),
            _ => Self::internal(),
        }
    }
}

impl From<LogArchiveError> for ApiError {
    fn from(error: LogArchiveError) -> Self {
        match error {
            LogArchiveError::Database(error) => error.into(),
            LogArchiveError::NotKept => {
                let detail = "this server keeps no logs: LOG_DRIVER is `none`";
                Self::new(StatusCode::CONFLICT, "logs-not-kept", detail)
            }
            LogArchiveError::Unavailable(reason) => {
                tracing::error!(reason, "the logs are out of reach");
                let detail = "what keeps the logs does not answer";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "logs-unavailable", detail)
                    .retry_after(Duration::from_secs(2))
            }
            LogArchiveError::Failed(reason) => {
                tracing::error!(reason, "the logs could not be read");
                Self::internal()
            }
        }
    }
}

/// The page with all codes.
#[utoipa::path(
    get, path = "/api/errors", operation_id = "getErrorsPage",
    tag = "documentation",
    security(()),
    responses((status = 200, body = String, content_type = "text/markdown")),
)]
pub(super) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/markdown; charset=utf-8")
        .body(PAGE)
}

pub(super) async fn not_found(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found(format!(
        "there is nothing at {}",
        request.path()
    )))
}

/// `405` with the methods that are possible, as the header `Allow` lists them.
pub(super) fn method_not_allowed(request: &HttpRequest, allowed: &str) -> HttpResponse {
    let detail = format!("{} is not possible at {}", request.method(), request.path());
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
    let mut response = error.error_response();
    let allowed = HeaderValue::from_str(allowed).expect("names of methods are ASCII");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_an_envelope_and_a_problem_at_once() {
        let error = ApiError::new(StatusCode::CONFLICT, "version-taken", "give it a new version")
            .with("jobId", "x")
            .with_errors(vec![FieldError {
                pointer: "/version".into(),
                code: "taken".into(),
                message: "is taken".into(),
            }]);
        assert_eq!(
            error.fields(),
            json!({
                "success": false, "message": "give it a new version", "jobId": "x",
                "type": "/api/errors#version-taken", "title": "Version taken", "status": 409,
                "detail": "give it a new version", "code": "version-taken",
                "errors": [{"pointer": "/version", "code": "taken", "message": "is taken"}],
            })
        );
    }

    /// Every code that the sources of the API and of its use cases name has a section, and no section is left over.
    #[test]
    fn every_code_is_explained() {
        let sources = [
            include_str!("api_tokens.rs"),
            include_str!("auth.rs"),
            include_str!("backups.rs"),
            include_str!("dead_letters.rs"),
            include_str!("ending.rs"),
            include_str!("environment.rs"),
            include_str!("events/mod.rs"),
            include_str!("invocations.rs"),
            include_str!("invocations/begin.rs"),
            include_str!("invocations/bulk.rs"),
            include_str!("invocations/replay.rs"),
            include_str!("jobs.rs"),
            include_str!("logs/mod.rs"),
            include_str!("logs/export.rs"),
            include_str!("logs/follow.rs"),
            include_str!("problem.rs"),
            include_str!("publications.rs"),
            include_str!("publish.rs"),
            include_str!("runners.rs"),
            include_str!("schedules.rs"),
            include_str!("server.rs"),
            include_str!("store.rs"),
            include_str!("test_events/mod.rs"),
            include_str!("test_events/event.rs"),
            include_str!("triggers.rs"),
            include_str!("users.rs"),
            include_str!("versions.rs"),
            include_str!("versions/content.rs"),
            include_str!("health.rs"),
            include_str!("input.rs"),
        ];
        let mut used: Vec<&str> = Vec::new();
        for source in sources {
            let source = source.split("#[cfg(test)]").next().unwrap();
            for call in source.split("StatusCode::").skip(1) {
                let argument = call
                    .split_once(',')
                    .map(|(_, rest)| rest.trim_start())
                    .unwrap_or_default();
                used.extend(argument.strip_prefix('"').and_then(|code| code.split('"').next()));
            }
        }
        let archive = include_str!("../archive/refusal.rs")
            .split("fn is_too_large")
            .next()
            .unwrap();
        used.extend(archive.split('"').filter(|text| text.starts_with("archive-")));
        used.retain(|text| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        used.sort_unstable();
        used.dedup();
        assert!(used.len() > 20, "codes are not found any more: {used:?}");

        let mut explained: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        explained.sort_unstable();
        assert_eq!(explained, used);
    }
}
