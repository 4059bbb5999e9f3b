//! Refusals: RFC 9457 problem documents, each with a stable code and a page of its own.

use actix_http::header::{self, HeaderName, HeaderValue};
use actix_http::{Response, StatusCode};
use jobber_actors::domain::InvocationId;
use jobber_actors::invocation::FunctionError;
use serde::Serialize;

use super::body::AnswerBody;

/// Where the pages are served; `type` in every problem document points below it.
pub const PAGES: &str = "/_jobber/errors/";

/// The header field that names the invocation, on every answer.
pub(crate) const INVOCATION: HeaderName = HeaderName::from_static("x-jobber-invocation");

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// Why the gateway did not pass on an answer of a function. The code is stable; each has a page.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status of the answer.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// A short summary that does not vary.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Its page under `docs/reference/errors/`, in Markdown.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("../../docs/reference/errors/", $code, ".md")),)*
                }
            }
        }
    };
}

codes! {
    /// The request is HTTP, but can not be understood.
    BadRequest = "bad-request", BAD_REQUEST, "The request can not be understood";
    /// The operator does not allow callbacks to this host.
    CallbackNotAllowed = "callback-not-allowed", FORBIDDEN, "Callbacks may not go there";
    /// No trigger matches host and path.
    NoRoute = "no-route", NOT_FOUND, "No function answers here";
    /// A reserved path that names nothing.
    NotFound = "not-found", NOT_FOUND, "There is nothing here";
    /// Host and path match, the method does not.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "No function answers to this method here";
    /// The call has ended, and can not be cancelled any more.
    CallEnded = "call-ended", CONFLICT, "The call has ended";
    /// The call has not ended, so that there is no response yet.
    CallNotEnded = "call-not-ended", CONFLICT, "The call has not ended";
    /// The call was cancelled, so that there is no response.
    CallCancelled = "call-cancelled", GONE, "The call was cancelled";
    /// Another request has the same key.
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "Another request has the same key";
    /// The client did not send the body in time.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request did not arrive in time";
    /// The body is larger than the server takes.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The request's body is too large";
    /// The job's own queue is full.
    QueueFull = "queue-full", TOO_MANY_REQUESTS, "The function's queue is full";
    /// Too many or too long header fields.
    HeadersTooLarge = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's header is too large";
    /// The handler threw.
    FunctionFailed = "function-failed", INTERNAL_SERVER_ERROR, "The function failed";
    /// The function's module can not be imported.
    LoadFailed = "load-failed", INTERNAL_SERVER_ERROR, "The function could not be loaded";
    /// The function's answer is not HTTP.
    InvalidResponse = "invalid-response", INTERNAL_SERVER_ERROR, "The function's answer is not valid";
    /// CONNECT and protocol upgrades.
    NotImplemented = "not-implemented", NOT_IMPLEMENTED, "The server does not do this";
    /// The runner went away.
    RunnerLost = "runner-lost", BAD_GATEWAY, "The function's runner was lost";
    /// The server has too much to do.
    ServerBusy = "server-busy", SERVICE_UNAVAILABLE, "The server is busy";
    /// Postgres does not answer, so that no call can be kept or found.
    CallsUnavailable = "calls-unavailable", SERVICE_UNAVAILABLE, "Asynchronous calls can not be dealt with";
    /// No runner became free in time.
    QueueTimeout = "queue-timeout", SERVICE_UNAVAILABLE, "No runner became free in time";
    /// No runner can be started.
    NoRunner = "no-runner", SERVICE_UNAVAILABLE, "No runner can be started";
    /// Server or function are being shut down.
    ShuttingDown = "shutting-down", SERVICE_UNAVAILABLE, "The function is being shut down";
    /// The handler took too long.
    FunctionTimeout = "function-timeout", GATEWAY_TIMEOUT, "The function took too long";
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

/// One refusal, ready to be written.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    error: Option<Box<FunctionError>>,
    retry_after: Option<u64>,
    allow: Option<String>,
    close: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    invocation: InvocationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a FunctionError>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            error: None,
            retry_after: None,
            allow: None,
            close: false,
        }
    }

    /// What the function threw, shown to the caller.
    pub(crate) fn with_error(mut self, error: FunctionError) -> Self {
        self.error = Some(Box::new(error));
        self
    }

    /// When it is worth trying again, in seconds.
    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The methods that are served here.
    pub(crate) fn with_allow(mut self, methods: &[&str]) -> Self {
        self.allow = Some(methods.join(", "));
        self
    }

    /// The connection can not be used any more.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// The document alone.
    pub(crate) fn json(&self, invocation: InvocationId) -> Vec<u8> {
        let document = Document {
            r#type: format!("{PAGES}{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            invocation,
            error: self.error.as_deref(),
        };
        serde_json::to_vec(&document).expect("strings and numbers always serialise")
    }

    /// The answer itself. `body` makes the body of it, so that its bookkeeping is the caller's.
    pub(crate) fn into_response(
        self,
        invocation: InvocationId,
        body: impl FnOnce(bytes::Bytes) -> AnswerBody,
    ) -> Response<AnswerBody> {
        let json = self.json(invocation);
        let mut response = Response::with_body(self.code.status(), body(json.into()));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(INVOCATION, invocation_value(invocation));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The methods of a manifest are tokens; anything else would not have been published.
        if let Some(allow) = self.allow.and_then(|methods| HeaderValue::try_from(methods).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        if self.close {
            response
                .head_mut()
                .set_connection_type(actix_http::ConnectionType::Close);
        }
        response
    }
}

/// The id as a header's value, without going through a formatter.
pub(crate) fn invocation_value(invocation: InvocationId) -> HeaderValue {
    let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = invocation.as_uuid().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).expect("hexadecimal digits and hyphens")
}
