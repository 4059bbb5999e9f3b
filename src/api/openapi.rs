//! The OpenAPI document: what the handlers' annotations say, completed with what holds for all operations alike.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

use super::access::COOKIE;
use super::links;
use super::operations::Annotated;
use super::problem::FieldError;

/// The document as it is served.
pub(super) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let annotated = serde_json::to_value(Annotated::openapi());
    complete(annotated.expect("a document of strings and maps is JSON"))
});

/// What an error looks like.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "only its schema is of use: errors are written with fields of their own"
)]
pub(super) struct Problem {
    /// `false`.
    success: bool,
    /// What went wrong, for people.
    message: String,
    /// Where the code is explained.
    r#type: String,
    /// The code as a headline.
    title: String,
    /// The status of the response.
    status: u16,
    /// The same as `message`.
    detail: String,
    /// What went wrong, for programs.
    code: String,
    /// The faults of a document.
    errors: Option<Vec<FieldError>>,
}

/// One operation of a document.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    /// In lower case.
    pub(super) method: &'a str,
    pub(super) id: &'a str,
    /// All that the document says of it.
    pub(super) about: &'a Value,
}

impl Operation<'_> {
    /// Whether it needs no proof of who asks.
    pub(super) fn is_open(&self) -> bool {
        is_open(self.about)
    }
}

/// The operations of a document in the order of their paths, fixed segments before parameters.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let item = item.as_object().into_iter().flatten();
        item.map(move |(method, about)| Operation {
            path,
            method,
            id: about["operationId"].as_str().unwrap_or_default(),
            about,
        })
    })
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "getOpenApi", tag = "documentation",
    security(()),
    responses((status = 200, body = Object)),
)]
pub(super) async fn json() -> HttpResponse {
    HttpResponse::Ok().json(&*DOCUMENT)
}

fn is_open(operation: &Value) -> bool {
    let ways = operation["security"].as_array();
    ways.is_some_and(|ways| ways.iter().all(|way| way.as_object().is_some_and(Map::is_empty)))
}

fn complete(mut document: Value) -> Value {
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer" },
        "session": { "type": "apiKey", "in": "cookie", "name": COOKIE },
    });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            name_tags(operation);
            add_path_parameters(path, operation);
            add_errors(path, method, operation);
        }
    }
    links::add(&mut document);
    document
}

/// Tags are the names of modules, unless an annotation says otherwise.
fn name_tags(operation: &mut Value) {
    for tag in operation["tags"].as_array_mut().into_iter().flatten() {
        *tag = tag.as_str().unwrap_or_default().replace('_', "-").into();
    }
}

/// The parameters that a path names.
pub(super) fn parameters_of(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.split('}').next())
}

fn add_path_parameters(path: &str, operation: &mut Value) {
    let text = || json!({ "type": "string" });
    let id = || json!({ "type": "string", "format": "uuid" });
    let key = || json!({ "type": "string", "minLength": 1, "maxLength": 512, "pattern": r"^[^\u0000]*$" });
    let name_of_variable = || json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,255}$" });
    let mut parameters = parameters_of(path)
        .map(|name| {
            let (description, schema) = match name {
                "job" => ("The job's id or its name; the slash in a scoped name is written `%2F`.", text()),
                "trigger" => ("The trigger's id or its name.", text()),
                "version" => ("The version's id or its name.", text()),
                "key" => ("The key, of 1 to 512 bytes; a slash in it is written `%2F`.", key()),
                "name" => ("The variable's name: letters, digits and `_`.", name_of_variable()),
                _ => ("The id.", id()),
            };
            json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
        })
        .collect::<Vec<_>>();
    if let Some(annotated) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
        parameters.append(annotated);
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
}

/// The errors that an operation may answer by what it is; those of its own are in its annotation.
fn common_errors(path: &str, method: &str, operation: &Value) -> Vec<u16> {
    let has_body = !operation["requestBody"].is_null();
    let takes_input = has_body
        || path.contains("{key}")
        || operation["parameters"]
            .as_array()
            .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["in"] == "query"));
    let names_something = parameters_of(path).next().is_some();
    let is_closed = !is_open(operation);
    // A change may come from a page of another site.
    let may_be_forbidden = is_closed && (method != "get" || !operation["x-permission"].is_null());
    let errors = [
        (takes_input, 400),
        (is_closed, 401),
        (may_be_forbidden, 403),
        (names_something, 404),
        (has_body, 408),
        (has_body, 413),
        (has_body, 415),
        (has_body, 422),
        (is_closed, 500),
        (is_closed, 503),
    ];
    errors
        .into_iter()
        .filter_map(|(may_come, status)| may_come.then_some(status))
        .collect()
}

fn add_errors(path: &str, method: &str, operation: &mut Value) {
    let common = common_errors(path, method, operation);
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for status in common {
        responses.entry(status.to_string()).or_insert_with(|| json!({}));
    }
    for (status, response) in responses {
        let status = status
            .parse()
            .ok()
            .and_then(|status| StatusCode::from_u16(status).ok());
        let reason = status
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        if response["description"].as_str().unwrap_or_default().is_empty() {
            response["description"] = reason.into();
        }
        if status.is_some_and(|status| status.is_client_error() || status.is_server_error()) {
            let schema = json!({ "$ref": "#/components/schemas/Problem" });
            response["content"] = json!({ "application/problem+json": { "schema": schema } });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use actix_web::ResponseError;
    use actix_web::body::MessageBody;

    use super::*;
    use crate::api::operations::IDS;
    use crate::api::problem::ApiError;

    #[test]
    fn the_document_in_the_reference_is_the_one_of_the_code() {
        let generated = serde_json::to_string_pretty(&*DOCUMENT).unwrap() + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/openapi.json");
        if std::env::var_os("JOBBER_UPDATE_REFERENCE").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == generated,
            "{} is out of date: run `JOBBER_UPDATE_REFERENCE=1 cargo test -p jobber --lib openapi`",
            path.display()
        );
    }

    #[test]
    fn the_table_and_the_document_have_the_same_operations() {
        let documented: Vec<_> = operations(&DOCUMENT).map(|operation| operation.id).collect();
        let ids: BTreeSet<_> = documented.iter().copied().collect();
        assert_eq!(ids.len(), documented.len(), "an id stands for two operations");
        assert_eq!(ids, IDS.iter().copied().collect());
    }

    /// What an operation says of itself decides whether it asks for a login.
    #[test]
    fn only_these_are_open() {
        let open = operations(&DOCUMENT).filter(Operation::is_open);
        let open: BTreeSet<_> = open.map(|operation| operation.id).collect();
        let expected = [
            "getDocs",
            "getErrorsPage",
            "getFirstStart",
            "getOpenApi",
            "isAlive",
            "isReady",
            "logIn",
        ];
        assert_eq!(open, BTreeSet::from(expected));
    }

    #[test]
    fn every_operation_is_described_and_every_reference_leads_somewhere() {
        for Operation {
            path, method, about, ..
        } in operations(&DOCUMENT)
        {
            assert!(about["summary"].is_string(), "{method} {path} has no description");
            assert_eq!(about["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
            let resource = about["x-permission"]["resource"].as_str().unwrap_or_default();
            for parameter in parameters_of(resource) {
                assert!(
                    path.contains(&format!("{{{parameter}}}")),
                    "{method} {path}: {resource}"
                );
            }
        }
        let text = DOCUMENT.to_string();
        assert!(!text.contains(":null"), "a field of the document is null");
        let references = text.split("\"$ref\":\"#").skip(1);
        let references: BTreeSet<_> = references.filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 20, "{references:?}");
        for reference in references {
            assert!(DOCUMENT.pointer(reference).is_some(), "{reference}");
        }
    }

    #[test]
    fn an_error_has_the_fields_of_the_schema() {
        let schema = &DOCUMENT["components"]["schemas"]["Problem"];
        let error = ApiError::invalid("/name", "name", "is wrong").error_response();
        let body = error.into_body().try_into_bytes().unwrap();
        let body: Map<String, Value> = serde_json::from_slice(&body).unwrap();
        let known = schema["properties"].as_object().unwrap();
        assert_eq!(body.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>());
        let needed = schema["required"].as_array().unwrap();
        assert_eq!(needed.len(), known.len() - 1, "all but `errors`");
    }
}
