//! Jobs' variables.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use jobber_actors::manifest::VariableName;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::access::{Access, Change, note_change};
use super::input::{Body, Query};
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::reply::{self, Done, PageOf};
use super::state::ApiState;
use crate::access::Action;
use crate::store::{
    MAX_ENVIRONMENT_BYTES, MAX_VARIABLES, StoredVariable, VariableKind, VariableSet, VariableSort,
};

/// Most bytes of one value. A process's whole environment has to fit into what the kernel takes.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// A variable as it is sent, in JSON or as the parts of a form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewVariable {
    #[serde(rename = "type")]
    kind: VariableKind,
    #[schema(value_type = String, max_length = 65536, pattern = r"^[^\u0000]*$")]
    value: SecretString,
}

/// Which variables, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those of one kind.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<VariableKind>,
    #[param(inline)]
    sort: Option<VariableSort>,
}

/// A job's variables. Secrets come without their values.
#[utoipa::path(
    get, path = "/api/job/{job}/environment", operation_id = "listVariables",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<StoredVariable>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/environment"}))),
)]
pub(super) async fn list(
    state: web::Data<ApiState>,
    access: Access,
    job: web::Path<String>,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Result<HttpResponse, ApiError> {
    let listing = paging.listing(filter.sort)?;
    let job = state.job(&access, Action::Read, &job, &["environment"]).await?;
    let variables = state.environment.list(job.id, filter.kind, &listing).await?;
    Ok(paging::part(variables, listing.sort))
}

/// Sets a variable. Runners that start from now on get it.
#[utoipa::path(
    post, path = "/api/job/{job}/environment/{name}", operation_id = "setVariable",
    request_body(content((NewVariable = "application/json"), (NewVariable = "multipart/form-data"))),
    responses((status = 200, body = Done), (status = 413)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}/environment/{name}"}))),
)]
pub(super) async fn set(
    state: web::Data<ApiState>,
    access: Access,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let (job, name) = path.into_inner();
    let name = VariableName::parse(&name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let job = state
        .job(&access, Action::Write, &job, &["environment", name.as_str()])
        .await?;
    let variable = if is_multipart(&request) {
        from_form(Multipart::new(request.headers(), payload)).await?
    } else {
        let Body(variable) = Body::<NewVariable>::from_request(&request, &mut payload.into_inner()).await?;
        variable
    };
    let value = variable.value.expose_secret();
    if value.len() > MAX_VALUE_BYTES || value.contains('\0') {
        let message = format!("has at most {MAX_VALUE_BYTES} bytes and no NUL");
        return Err(ApiError::invalid("/value", "out-of-range", message));
    }
    let set = state
        .environment
        .set(job.id, name.as_str(), variable.kind, &variable.value);
    match set.await? {
        VariableSet::Done => {}
        VariableSet::NoJob => return Err(ApiError::no_job(&job.name)),
        VariableSet::Full => {
            let detail = format!(
                "a job has at most {MAX_VARIABLES} variables, of at most {MAX_ENVIRONMENT_BYTES} bytes in all"
            );
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "environment-full",
                detail,
            ));
        }
    }
    state.tree.hint(Some(job.id));
    note_change(
        &request,
        Change::made(&json!({ "name": name.as_str(), "type": variable.kind })),
    );
    Ok(reply::done("the variable is set"))
}

/// Removes a variable.
#[utoipa::path(
    delete, path = "/api/job/{job}/environment/{name}", operation_id = "deleteVariable",
    responses((status = 200, body = Done)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "job/{job}/environment/{name}"}))),
)]
pub(super) async fn remove(
    state: web::Data<ApiState>,
    access: Access,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (job, name) = path.into_inner();
    let upper = name.to_ascii_uppercase();
    let job = state
        .job(&access, Action::Delete, &job, &["environment", &upper])
        .await?;
    if upper.contains('\0') || !state.environment.remove(job.id, &upper).await? {
        let detail = format!("the job has no variable {upper:?}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "variable-not-found", detail));
    }
    state.tree.hint(Some(job.id));
    note_change(&request, Change::from(&json!({ "name": upper })));
    Ok(reply::done("the variable is removed"))
}

fn is_multipart(request: &HttpRequest) -> bool {
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media_type.is_some_and(|media_type| media_type.to_ascii_lowercase().starts_with("multipart/"))
}

/// Reads the parts `type` and `value`.
async fn from_form(mut form: Multipart) -> Result<NewVariable, ApiError> {
    let broken =
        |error: &dyn std::fmt::Display| ApiError::bad_request(format!("the form can not be read: {error}"));
    let (mut kind, mut value) = (None, None);
    while let Some(part) = form.next().await {
        let mut part = part.map_err(|error| broken(&error))?;
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part
            .bytes(MAX_VALUE_BYTES)
            .await
            .map_err(|_| ApiError::bad_request(format!("a part has at most {MAX_VALUE_BYTES} bytes")))?
            .map_err(|error| broken(&error))?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| broken(&error))?;
        match name.as_str() {
            "type" => kind = Some(text),
            "value" => value = Some(text),
            _ => return Err(ApiError::bad_request(format!("a variable has no part {name:?}"))),
        }
    }
    let kind = match kind.as_deref() {
        Some("text") => VariableKind::Text,
        Some("secret") => VariableKind::Secret,
        _ => return Err(ApiError::invalid("/type", "invalid", "must be text or secret")),
    };
    let value = value.ok_or_else(|| ApiError::invalid("/value", "missing", "is missing"))?;
    Ok(NewVariable {
        kind,
        value: SecretString::from(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_does_not_show_its_value_when_it_is_printed() {
        let variable: NewVariable =
            serde_json::from_value(json!({ "type": "text", "value": "hunter2" })).unwrap();
        let printed = format!("{variable:?}");
        assert!(
            printed.contains("Text") && !printed.contains("hunter2"),
            "{printed}"
        );
    }
}
