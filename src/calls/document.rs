//! What is told of a call, to whoever has its address and to callbacks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use jobber_actors::domain::InvocationId;
use jobber_actors::ports::{Answer, DeliveryFailure};
use serde::Serialize;

use crate::store::{StoredCall, StoredState};

/// A call as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallDocument<'a> {
    id: InvocationId,
    state: &'static str,
    created: String,
    ended: Option<String>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDocument<'a>>,
}

/// What the handler answered.
#[derive(Serialize)]
struct ResultDocument<'a> {
    status: u16,
    headers: &'a [(String, String)],
    /// How the body is written: `utf-8` or `base64`.
    encoding: &'static str,
    body: String,
}

/// Why there is no answer.
#[derive(Serialize)]
struct ErrorDocument<'a> {
    code: &'a str,
    message: &'a str,
}

impl<'a> CallDocument<'a> {
    /// What is told of a call. What the function threw is told where `expose_errors` says so.
    #[must_use]
    pub fn new(
        id: InvocationId,
        call: &'a StoredCall,
        location: Option<&'a str>,
        expose_errors: bool,
    ) -> Self {
        let (result, error) = match &call.state {
            StoredState::Succeeded(answer) => (answer.as_deref().map(ResultDocument::of), None),
            StoredState::Failed(failure) => (None, Some(ErrorDocument::of(failure, expose_errors))),
            StoredState::Queued | StoredState::Running | StoredState::Cancelled => (None, None),
        };
        Self {
            id,
            state: state_name(&call.state),
            created: moment(call.created),
            ended: call.ended.map(moment),
            attempts: call.attempts,
            location,
            result,
            error,
        }
    }
}

impl<'a> ResultDocument<'a> {
    fn of(answer: &'a Answer) -> Self {
        let (encoding, body) = match std::str::from_utf8(&answer.body) {
            Ok(text) => ("utf-8", text.to_owned()),
            Err(_) => ("base64", STANDARD.encode(&answer.body)),
        };
        Self {
            status: answer.head.status,
            headers: &answer.head.headers,
            encoding,
            body,
        }
    }
}

impl<'a> ErrorDocument<'a> {
    fn of(failure: &'a DeliveryFailure, expose_errors: bool) -> Self {
        Self {
            code: &failure.reason,
            message: failure_message(failure, expose_errors),
        }
    }
}

/// What a caller is told of a failure. What is not the function's own text may always be told.
#[must_use]
pub fn failure_message(failure: &DeliveryFailure, expose_errors: bool) -> &str {
    let own = matches!(failure.reason.as_str(), "function-failed" | "response-cut-short");
    if own && !expose_errors {
        "The function failed; the job's log has it under this invocation."
    } else {
        &failure.message
    }
}

/// The state's name.
#[must_use]
pub const fn state_name(state: &StoredState) -> &'static str {
    match state {
        StoredState::Queued => "queued",
        StoredState::Running => "running",
        StoredState::Succeeded(_) => "succeeded",
        StoredState::Failed(_) => "failed",
        StoredState::Cancelled => "cancelled",
    }
}

fn moment(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jobber_actors::invocation::ResponseHead;
    use serde_json::{Value, json};

    use super::*;

    fn document(state: StoredState, expose_errors: bool) -> Value {
        let call = StoredCall {
            created: DateTime::UNIX_EPOCH,
            ended: Some(DateTime::UNIX_EPOCH),
            attempts: 1,
            state,
        };
        let document = CallDocument::new(InvocationId::generate(), &call, None, expose_errors);
        serde_json::to_value(document).unwrap()
    }

    fn answered(body: &'static [u8]) -> Value {
        let head = ResponseHead {
            status: 201,
            headers: vec![("a".into(), "b".into())],
        };
        let body = Bytes::from_static(body);
        document(
            StoredState::Succeeded(Some(Box::new(Answer { head, body }))),
            false,
        )
    }

    #[test]
    fn bodies_are_text_where_they_can_be() {
        let told = answered(b"h\xc3\xa9llo");
        assert_eq!(
            (&told["state"], &told["created"]),
            (&json!("succeeded"), &json!("1970-01-01T00:00:00.000Z"))
        );
        assert_eq!(
            told["result"],
            json!({"status": 201, "headers": [["a", "b"]], "encoding": "utf-8", "body": "héllo"})
        );
        let told = answered(b"\xff\0");
        assert_eq!(
            (&told["result"]["encoding"], &told["result"]["body"]),
            (&json!("base64"), &json!("/wA="))
        );
    }

    #[test]
    fn what_a_function_threw_is_for_its_author() {
        let failure = |reason: &str| {
            StoredState::Failed(DeliveryFailure {
                reason: reason.into(),
                message: "Error: secret".into(),
                error: None,
            })
        };
        let told = |state, expose| document(state, expose)["error"]["message"].clone();
        assert!(
            !told(failure("function-failed"), false)
                .to_string()
                .contains("secret")
        );
        assert_eq!(told(failure("function-failed"), true), "Error: secret");
        assert_eq!(told(failure("runner-lost"), false), "Error: secret");
    }
}
