//! Doing an invocation again, as it was or with another input.

use actix_web::http::StatusCode;
use actix_web::web;
use jobber_actors::domain::{InvocationId, VersionId};
use jobber_actors::invocation::{ByHand, Input, TriggerRef};
use jobber_actors::tree::{Begin, Begun};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::begin::{begin, body_of, runnable};
use super::{
    Access, Action, ApiError, ApiState, Captured, Data, RecordedInvocation, Reply, State, find, reply,
};
use crate::api::input::OptionalBody;
use crate::api::problem::FieldError;

/// What stands for a credential in what was kept.
const REDACTED: &str = "[redacted]";
/// What stands for a secret of the job.
const MASK: &str = "********";

/// What is to be other than it was. What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ReplayChanges)]
pub(crate) struct Changes {
    /// The id of the version that is to do it. One that does not serve is made ready first. The one that serves unless one is named.
    #[schema(value_type = Option<uuid::Uuid>)]
    version_id: Option<VersionId>,
    /// All that the trigger says, in the form in which it was kept.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    /// The body, as text.
    body: Option<String>,
    /// The body, in base64.
    body_base64: Option<String>,
}

impl Changes {
    /// As it was, on this version.
    pub(super) fn only_version(version_id: Option<VersionId>) -> Self {
        Self {
            version_id,
            ..Self::default()
        }
    }
}

/// An invocation that was begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Replayed)]
pub(crate) struct Replayed {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    invocation_id: InvocationId,
    /// Names of headers and properties that were not sent again, because they are credentials and were not kept.
    left_out: Vec<String>,
}

/// Does an invocation again with the input that was kept. Its input and output are kept whatever the package says.
#[utoipa::path(
    post, path = "/api/invocations/{invocation}/replay", operation_id = "replayInvocation",
    request_body = Option<Changes>,
    responses((status = 202, body = Data<Replayed>), (status = 400), (status = 404), (status = 409), (status = 422), (status = 503), (status = 504)),
)]
pub(crate) async fn replay(
    state: State,
    access: Access,
    id: web::Path<String>,
    OptionalBody(changes): OptionalBody<Changes>,
) -> Reply {
    let (_, last) = find(&state, &access, Action::Write, &id).await?;
    let (begun, left_out) = again(&state, &last, changes).await?;
    Ok(reply::accepted(Replayed {
        invocation_id: begun.id,
        left_out,
    }))
}

/// Begins this again. Gives also the names of what was left out.
pub(super) async fn again(
    state: &ApiState,
    last: &RecordedInvocation,
    changes: Changes,
) -> Result<(Begun, Vec<String>), ApiError> {
    if let Some(version) = changes.version_id {
        runnable(state, last.job_id, version).await?;
    }
    let captured = captured(state, last).await?;
    let body = body(&changes, &captured)?;
    let edited = changes.input.is_some();
    let mut input = changes.input.unwrap_or(captured.input);
    let left_out = leave_out_credentials(&mut input);
    if !edited && input.to_string().contains(MASK) {
        return Err(masked("/input"));
    }
    let mut input: Input = serde_json::from_value(input)
        .map_err(|error| ApiError::invalid("/input", "invalid", error.to_string()))?;
    if input.kind() != last.kind {
        let message = format!("must be of the kind {:?}, as it was", last.kind);
        return Err(ApiError::invalid("/input/kind", "conflict", message));
    }
    if let Input::Http { http } = &mut input {
        http.size = Some(body.len() as u64);
        http.headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    }
    let again = Begin {
        job: last.job_id,
        version: changes.version_id,
        reason: ByHand::Replay(last.id),
        trigger: TriggerRef {
            id: last.trigger_id,
            name: last.trigger_name.as_deref().map(Into::into),
        },
        input,
        body: body.into(),
        answer_bytes: 0,
    };
    Ok((begin(state, again).await?, left_out))
}

async fn captured(state: &ApiState, last: &RecordedInvocation) -> Result<Captured, ApiError> {
    let captured = state.invocations.captured(last.id, last.attempt).await?;
    captured.ok_or_else(|| {
        let detail =
            "the input of this invocation was not kept; the package's `action.capture` says whose is";
        ApiError::new(StatusCode::CONFLICT, "invocation-not-captured", detail)
    })
}

/// The body to send. One of which only the beginning was kept can not be sent again.
fn body(changes: &Changes, captured: &Captured) -> Result<Vec<u8>, ApiError> {
    let given = (changes.body.as_deref(), changes.body_base64.as_deref());
    match body_of(given, ("/body", "/bodyBase64"))? {
        Some(body) => Ok(body),
        None if captured.input_truncated => {
            let detail = "only the beginning of the body was kept; send a body to replay it with";
            Err(ApiError::new(
                StatusCode::CONFLICT,
                "invocation-body-truncated",
                detail,
            ))
        }
        None if holds(&captured.input_body, MASK) => Err(masked("/body")),
        None => Ok(captured.input_body.clone()),
    }
}

fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

/// A secret of the job stood there, and what stands for it must not be taken for it.
fn masked(pointer: &str) -> ApiError {
    let message = format!(
        "holds a secret of the job, which was not kept; send one to replay it with (or {MASK:?} itself)"
    );
    ApiError::new(StatusCode::CONFLICT, "invocation-masked", message.clone()).with_errors(vec![FieldError {
        pointer: pointer.to_owned(),
        code: "masked".to_owned(),
        message,
    }])
}

/// Takes away what has no value any more, since it was a credential, and gives the names: of headers, properties, and parameters of
/// the query and the path.
fn leave_out_credentials(input: &mut Value) -> Vec<String> {
    let mut left_out = Vec::new();
    if let Some(Value::String(target)) = input.pointer_mut("/http/target") {
        left_out.extend(leave_out_of_query(target));
    }
    if let Some(Value::Object(params)) = input.pointer_mut("/http/params") {
        params.retain(|name, value| {
            let redacted = value == REDACTED;
            if redacted {
                left_out.push(name.clone());
            }
            !redacted
        });
    }
    for place in ["/http/headers", "/mqtt/properties/userProperties"] {
        if let Some(Value::Array(pairs)) = input.pointer_mut(place) {
            pairs.retain(|pair| {
                let redacted = pair.get(1).is_some_and(|value| value == REDACTED);
                if redacted {
                    left_out.extend(pair.get(0).and_then(Value::as_str).map(str::to_owned));
                }
                !redacted
            });
        }
    }
    left_out
}

/// The same of a target's query.
fn leave_out_of_query(target: &mut String) -> Vec<String> {
    let Some((path, query)) = target.split_once('?') else {
        return Vec::new();
    };
    let redacted = |part: &&str| part.split_once('=').is_some_and(|(_, value)| value == REDACTED);
    let (gone, kept): (Vec<&str>, Vec<&str>) = query.split('&').partition(redacted);
    let names = gone.iter().filter_map(|part| part.split_once('='));
    let names = names.map(|(name, _)| name.to_owned()).collect();
    *target = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    };
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_that_were_not_kept_are_not_sent() {
        let mut input = json!({ "kind": "http", "http": {
            "headers": [["accept", "*/*"], ["authorization", REDACTED]],
            "target": format!("/orders?page=2&token={REDACTED}"),
            "params": { "id": "7", "resetToken": REDACTED },
        }});
        let left_out = leave_out_credentials(&mut input);
        assert_eq!(left_out, ["token", "resetToken", "authorization"]);
        assert_eq!(input["http"]["target"], "/orders?page=2");
        assert_eq!(input["http"]["params"], json!({ "id": "7" }));
        assert_eq!(input["http"]["headers"], json!([["accept", "*/*"]]));
    }
}
