//! Every operation: nobody without proof of who they are, nobody without the permission, and whoever has it.

use std::cmp::Reverse;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{everything, line, somebody, user};
use crate::support::{App, Package, answer};

/// An id that nothing has.
const ID: &str = "018f3a5e-7f4e-7c3a-9b0a-0123456789ab";

/// An operation as the server's OpenAPI document has it.
struct Operation {
    id: String,
    method: Method,
    path: String,
    is_open: bool,
    /// The action and the resource that it needs.
    needs: Option<(String, String)>,
    /// What is sent, where something is.
    body: Option<Value>,
}

/// All operations; the job is removed at the end.
async fn operations(app: &App) -> Vec<Operation> {
    let (status, document) = answer(app.stranger(Method::GET, "/api/openapi.json")).await;
    assert_eq!(status, StatusCode::OK);
    let mut operations: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            item.iter()
                .map(move |(method, about)| operation(path, method, about))
        })
        .collect();
    operations.sort_by_key(|operation| (operation.method == Method::DELETE, Reverse(operation.path.len())));
    operations
}

fn operation(path: &str, method: &str, about: &Value) -> Operation {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let id = text(&about["operationId"]);
    let permission = &about["x-permission"];
    Operation {
        method: method.to_uppercase().parse().unwrap(),
        path: named(path),
        is_open: about["security"] == json!([{}]),
        needs: (!permission.is_null())
            .then(|| (text(&permission["action"]), named(&text(&permission["resource"])))),
        body: (!about["requestBody"].is_null()).then(|| body(&id)),
        id,
    }
}

fn named(template: &str) -> String {
    let template = template
        .replace("{job}", "shop")
        .replace("{trigger}", "main")
        .replace("{name}", "A");
    template
        .split('/')
        .map(|segment| if segment.starts_with('{') { ID } else { segment })
        .collect::<Vec<_>>()
        .join("/")
}

/// What can be read: a document is read before anybody can know what it is about.
fn body(id: &str) -> Value {
    match id {
        "createUser" => json!({ "username": "made", "password": super::PASSWORD }),
        "createApiToken" => json!({ "permissions": [] }),
        "setVariable" => json!({ "type": "text", "value": "" }),
        _ => json!({}),
    }
}

#[test]
fn nobody_without_proof_and_nobody_without_the_permission() {
    App::story(async |app| {
        user(app, "admin", everything()).await;
        app.publish(&Package::new("shop", "1.0.0").routes(&["/shop"]))
            .await;
        let newcomer = somebody(app, json!([])).await;
        let operations = operations(app).await;
        assert!(operations.len() > 40);
        for operation in operations.iter().filter(|operation| !operation.is_open) {
            let Operation { id, method, path, .. } = operation;
            let send = async |request: reqwest::RequestBuilder| {
                let request = match &operation.body {
                    Some(body) => request.json(body),
                    None => request,
                };
                let (status, body) = answer(request).await;
                (status, body["code"].clone())
            };
            let anonymous = send(app.stranger(method.clone(), path)).await;
            let refused = (StatusCode::UNAUTHORIZED, json!("unauthorized"));
            assert_eq!(anonymous, refused, "{id}");
            let Some((action, resource)) = &operation.needs else {
                continue;
            };

            let (status, code) = send(newcomer.request(app, method.clone(), path)).await;
            assert_eq!(
                (status, code),
                (StatusCode::FORBIDDEN, json!("forbidden")),
                "{id}"
            );

            let may = somebody(app, json!([line("allow", resource, &[action.as_str()])])).await;
            let (status, code) = send(may.request(app, method.clone(), path)).await;
            let allowed = status != StatusCode::FORBIDDEN && status != StatusCode::UNAUTHORIZED;
            assert!(allowed && !status.is_server_error(), "{id}: {status} {code}");
        }
    });
}

/// Somebody who may do everything, so that nothing but the request can be at fault.
#[test]
fn every_operation_is_there_and_refuses_what_it_can_not_read() {
    App::story(async |app| {
        app.publish(&Package::new("shop", "1.0.0").routes(&["/shop"]))
            .await;
        for Operation {
            id,
            method,
            path,
            body,
            ..
        } in operations(app).await
        {
            // What the document does not have is not there either.
            let other = app.ask(Method::PATCH, &path).await;
            assert_eq!(
                (other.0, &other.1["code"]),
                (StatusCode::METHOD_NOT_ALLOWED, &json!("method-not-allowed")),
                "{id}"
            );

            let request = app.request(method, &path);
            let Some(_) = body else {
                let (_, body) = answer(request).await;
                let nothing = ["not-found", "method-not-allowed"].map(Value::from);
                assert!(!nothing.contains(&body["code"]), "{id}: {body}");
                continue;
            };
            let unreadable = request.header(CONTENT_TYPE, "application/json").body("{ no JSON");
            let (status, body) = answer(unreadable).await;
            assert!(
                matches!(status.as_u16(), 400 | 413 | 415 | 422),
                "{id}: {status} {body}"
            );
            assert_eq!(body["success"], false, "{id}");
        }
    });
}

#[test]
fn lists_show_what_one_may_read() {
    App::story(async |app| {
        user(app, "admin", everything()).await;
        for name in ["shop", "bank"] {
            app.publish(&Package::new(name, "1.0.0").routes(&[&format!("/{name}")]))
                .await;
        }
        let clerk = somebody(app, json!([line("allow", "job/shop", &["read"])])).await;
        let list = async |path: &str| {
            let (status, body) = answer(clerk.request(app, Method::GET, path)).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            body["data"].as_array().unwrap().clone()
        };
        let jobs = list("/api/job").await;
        assert_eq!((jobs.len(), &jobs[0]["name"]), (1, &json!("shop")));
        assert!(
            list("/api/job/runners")
                .await
                .iter()
                .all(|runner| runner["jobId"] == jobs[0]["id"])
        );
        assert!(list("/api/users").await.is_empty() && list("/api/api-tokens").await.is_empty());
        // Whoever may see only some jobs does not hear which others there are.
        for name in ["bank", "nothing"] {
            let path = format!("/api/job/{name}");
            assert_eq!(clerk.status(app, Method::GET, &path).await, StatusCode::FORBIDDEN);
        }
    });
}
