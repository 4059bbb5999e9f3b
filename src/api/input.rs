//! What a request brings, read with the place of every fault.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::mime::{APPLICATION, JSON};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::{DeserializeOwned, Error, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_path_to_error::{Path, Segment};

use super::parameter::{self, Parameter};
use super::patience::is_late;
use super::problem::ApiError;

/// A JSON document in the body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// A JSON document in the body, or nothing at all; `null` is nothing, too.
#[derive(Debug)]
pub(super) struct OptionalBody<T>(pub(super) T);

/// The parameters after the `?`. One that the document does not have is refused: a misspelt filter must not look as if it had
/// found everything.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

/// The most bytes of a JSON body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimit(pub(super) usize);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pattern = request.match_pattern().unwrap_or_default();
        let known = parameter::of_operation(request.method(), &pattern);
        ready(read_query(known, request.query_string()).map(Self))
    }
}

fn read_query<T: DeserializeOwned>(known: &[Parameter], query: &str) -> Result<T, ApiError> {
    let pairs = || form_urlencoded::parse(query.as_bytes());
    for (index, (name, value)) in pairs().enumerate() {
        if !known.iter().any(|parameter| parameter.name == name) {
            let names: Vec<_> = known.iter().map(|parameter| parameter.name).collect();
            let message = format!("is not known here, where there are {}", names.join(", "));
            return Err(ApiError::bad_parameter(&name, "unknown", message));
        }
        if pairs().take(index).any(|(before, _)| before == name) {
            return Err(ApiError::bad_parameter(&name, "repeated", "is given twice"));
        }
        // No list has anything to do with it, and Postgres has no such texts.
        if value.contains('\0') {
            return Err(ApiError::bad_parameter(&name, "invalid", "holds a NUL"));
        }
    }
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs())).map_err(|error| {
        let pointer = pointer(error.path());
        let name = pointer.trim_start_matches('/');
        let parameter = known.iter().find(|parameter| parameter.name == name);
        let given = pairs().find(|(given, _)| given == name);
        let message = parameter
            .zip(given)
            .and_then(|(parameter, (_, value))| parameter.wrong(&value));
        // Where the document has no words for it, the type has told it in its own.
        let message = message.unwrap_or_else(|| error.inner().to_string());
        ApiError::bad_parameter(name, "invalid", message)
    })
}

impl<T: DeserializeOwned> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<BodyLimit>().copied();
        let is_json = is_json(request);
        let payload = payload.take();
        Box::pin(async move {
            if !is_json {
                let detail = "a body here is JSON: send it with `Content-Type: application/json`";
                return Err(ApiError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported-media-type",
                    detail,
                ));
            }
            let BodyLimit(most) = limit.expect("the server has a limit for every body");
            read_json(&receive(payload, most).await?).map(Self)
        })
    }
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let length = headers.get(header::CONTENT_LENGTH);
        let is_there =
            headers.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != "0");
        if !is_there {
            return Box::pin(ready(Ok(Self(T::default()))));
        }
        let body = Body::<Option<T>>::from_request(request, payload);
        Box::pin(async move {
            body.await
                .map(|Body(document)| Self(document.unwrap_or_default()))
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let Ok(Some(kind)) = request.mime_type() else {
        return false;
    };
    kind.type_() == APPLICATION && (kind.subtype() == JSON || kind.suffix() == Some(JSON))
}

async fn receive(mut payload: Payload, most: usize) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(part) = payload.next().await {
        let part = part.map_err(|error| {
            if is_late(&error) {
                let detail = "the body took too long to arrive";
                ApiError::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", detail)
            } else {
                ApiError::bad_request(error.to_string())
            }
        })?;
        if body.len() + part.len() > most {
            let detail = format!("a body here has at most {most} bytes");
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                detail,
            ));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// A document of this type. What is no JSON is a bad request; what does not fit is told with its place.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Serde takes an array for the fields in their order, which no document says.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::invalid("", "invalid", "must be an object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let document = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        match serde_json::from_slice::<IgnoredAny>(body) {
            // Some of what does not fit, such as a second key where there is one alternative, is told like wrong JSON.
            Ok(_) => {
                let message = error.into_inner().to_string();
                ApiError::invalid(&pointer, "invalid", without_position(&message))
            }
            Err(error) => no_json(&error),
        }
    })?;
    json.end().map_err(|error| no_json(&error))?;
    Ok(document)
}

fn no_json(error: &serde_json::Error) -> ApiError {
    ApiError::bad_request(format!("the body is no JSON: {error}"))
}

/// The pointer says where; line and column would say it again.
fn without_position(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
}

/// A time of RFC 3339, or nothing. Its year has four digits, so that Postgres has it, too.
///
/// # Errors
/// For anything else.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    let parse = |text: Cow<'_, str>| DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc());
    let wrong = |_| Error::custom("must be a time like 2026-01-31T12:00:00Z");
    text.map(parse).transpose().map_err(wrong)
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&name);
    }
    pointer
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::http::Method;
    use jobber_actors::domain::UserId;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(default)]
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        amount: u8,
    }

    fn problem(body: &str) -> (u16, Value) {
        let error = read_json::<Order>(body.as_bytes()).unwrap_err();
        (
            error.status().as_u16(),
            error.fields()["errors"][0]["pointer"].clone(),
        )
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        for (body, pointer) in [
            (
                r#"{"lines": [{"amount": 1}, {"amount": 256}]}"#,
                "/lines/1/amount",
            ),
            (r#"{"lines": {}}"#, "/lines"),
            (r#"{"lines": [{}]}"#, "/lines/0"),
            (r#"{"a/b~": 1}"#, "/a~1b~0"),
            ("[1]", ""),
        ] {
            assert_eq!(problem(body), (422, json!(pointer)), "{body}");
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter {
        limit: Option<u16>,
        user_id: Option<UserId>,
        enabled: Option<bool>,
    }

    #[test]
    fn a_wrong_parameter_is_told_with_what_is_allowed_and_what_was_given() {
        let read = |query: &str| {
            let known = parameter::of_operation(&Method::GET, "/api/api-tokens");
            read_query::<Filter>(known, query)
        };
        let found = read("limit=7&enabled=true").unwrap();
        assert_eq!(
            (found.limit, found.user_id, found.enabled),
            (Some(7), None, Some(true))
        );
        for (query, sentence) in [
            (
                "limit=many",
                "must be a whole number from 1 to 1000, and is \"many\"",
            ),
            (
                "limit=70000",
                "must be a whole number from 1 to 1000, and is \"70000\"",
            ),
            ("enabled=yes", "must be true or false, and is \"yes\""),
            (
                "userId=anna",
                "must be an id such as 019ab3f0-5d1c-7c51-a2ee-0c51b6f3a2d4, and is \"anna\"",
            ),
        ] {
            let error = read(query).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        for body in ["", "{", "{} {}", "{\"lines\": [}", "\u{0}"] {
            assert_eq!(problem(body).0, 400, "{body:?}");
        }
        let error = read_json::<Order>(b"{]").unwrap_err();
        assert_eq!(error.status_code(), StatusCode::BAD_REQUEST);
        assert!(error.to_string().contains("line 1 column 2"), "{error}");
        let order: Order = read_json(b" {\"lines\": [{\"amount\": 7}]} \n").unwrap();
        assert_eq!(order.lines[0].amount, 7);
    }
}
