//! Every operation: nobody without proof of who they are, nobody without the permission, and whoever has it.

use std::cmp::Reverse;

use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, StatusCode};
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
    /// The names of its parameters after the `?`.
    parameters: Vec<String>,
    /// The greatest `limit`, where it takes one.
    greatest_limit: Option<u64>,
    /// What it may answer.
    statuses: Vec<String>,
    /// Its answer goes on until its client leaves.
    is_endless: bool,
}

impl Operation {
    /// Sends what can be read, and gives back the status and the code of an answer that the document has.
    async fn send(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let request = match &self.body {
            Some(body) => request.json(body),
            None => request,
        };
        let (status, body) = if self.is_endless {
            let response = request.send().await.unwrap();
            let status = response.status();
            // What is endless is no error, and what is an error has an end.
            let body = if status.is_success() {
                Value::Null
            } else {
                response.json().await.unwrap()
            };
            (status, body)
        } else {
            answer(request).await
        };
        self.assert_documented(status);
        (status, body["code"].clone())
    }

    fn assert_documented(&self, status: StatusCode) {
        let known = self.statuses.iter().any(|known| known == status.as_str());
        assert!(known, "the document has no {status} for {}", self.id);
    }
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
    let parameters = || {
        let all = about["parameters"].as_array().into_iter().flatten();
        all.filter(|parameter| parameter["in"] == "query")
    };
    Operation {
        parameters: parameters().map(|parameter| text(&parameter["name"])).collect(),
        greatest_limit: parameters()
            .filter(|parameter| parameter["name"] == "limit")
            .find_map(|parameter| parameter["schema"]["maximum"].as_u64()),
        method: method.to_uppercase().parse().unwrap(),
        path: named(path),
        is_open: about["security"] == json!([{}]),
        needs: (!permission.is_null())
            .then(|| (text(&permission["action"]), named(&text(&permission["resource"])))),
        body: (!about["requestBody"].is_null()).then(|| body(&id)),
        is_endless: !about["responses"]["200"]["content"]["text/event-stream"].is_null(),
        statuses: about["responses"].as_object().unwrap().keys().cloned().collect(),
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
        "publishMessage" => json!({ "topic": "a" }),
        "testVersion" => json!({ "event": { "schedule": {} } }),
        "setItem" | "compareAndSetItem" => json!({ "value": { "text": "" } }),
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
            let anonymous = operation.send(app.stranger(method.clone(), path)).await;
            let refused = (StatusCode::UNAUTHORIZED, json!("unauthorized"));
            assert_eq!(anonymous, refused, "{id}");
            let Some((action, resource)) = &operation.needs else {
                continue;
            };

            let (status, code) = operation.send(newcomer.request(app, method.clone(), path)).await;
            assert_eq!(
                (status, code),
                (StatusCode::FORBIDDEN, json!("forbidden")),
                "{id}"
            );

            let may = somebody(app, json!([line("allow", resource, &[action.as_str()])])).await;
            let (status, code) = operation.send(may.request(app, method.clone(), path)).await;
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
        for operation in operations(app).await {
            let Operation { id, method, path, .. } = &operation;
            let (status, body) = app.ask(Method::PATCH, path).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::METHOD_NOT_ALLOWED, &json!("method-not-allowed")),
                "the document has no PATCH {path}"
            );

            let request = app.request(method.clone(), path);
            if operation.body.is_none() {
                let (_, code) = operation.send(request).await;
                assert!(
                    code != "not-found" && code != "method-not-allowed",
                    "{id}: {code}"
                );
                continue;
            }
            let unreadable = request.header(CONTENT_TYPE, "application/json").body("{ no JSON");
            let (status, body) = answer(unreadable).await;
            operation.assert_documented(status);
            assert!(
                matches!(status.as_u16(), 400 | 413 | 415 | 422),
                "{id}: {status} {body}"
            );
            assert_eq!(body["success"], false, "{id}");
        }
    });
}

/// The path with the greatest limit is taken, or nothing is found there; one more is a bad request.
#[test]
fn limits_are_what_the_document_says() {
    App::story(async |app| {
        app.publish(&Package::new("shop", "1.0.0").routes(&["/shop"]))
            .await;
        let mut limited = 0;
        for Operation {
            path, greatest_limit, ..
        } in operations(app).await
        {
            let Some(greatest) = greatest_limit else { continue };
            limited += 1;
            for (limit, is_bad) in [(0, true), (1, false), (greatest, false), (greatest + 1, true)] {
                let path = format!("{path}?limit={limit}");
                let (status, body) = app.ask(Method::GET, &path).await;
                assert_eq!(status == StatusCode::BAD_REQUEST, is_bad, "{path}: {body}");
            }
        }
        assert!(limited > 20, "{limited} operations have a limit");
    });
}

/// Of whatever an operation has to say about its parameters, nothing else is taken: neither a name that it does not know, nor a
/// cursor or an order that is none.
#[test]
fn parameters_that_can_not_be_are_refused() {
    App::story(async |app| {
        app.publish(&Package::new("shop", "1.0.0").routes(&["/shop"]))
            .await;
        let mut refused = 0;
        for operation in operations(app).await {
            let Operation {
                id,
                method,
                path,
                parameters,
                ..
            } = &operation;
            let mut queries = vec![("nosuch", "nosuch=1")];
            let wrong = [
                ("cursor", "cursor=x"),
                ("sort", "sort=nosuch"),
                ("type", "type=nosuch"),
                ("jobId", "jobId=shop"),
                ("since", "since=yesterday"),
                ("until", "until=-262143-01-01T00:00:00Z"),
                ("search", "search=%00"),
            ];
            // The store's cursor is a key, and may be any.
            let takes = |name: &str| parameters.iter().any(|known| known == name);
            let typed = wrong
                .into_iter()
                .filter(|(name, _)| takes(name) && (id != "listItems" || *name != "cursor"));
            queries.extend(typed);
            if parameters.is_empty() || *method != Method::GET {
                continue;
            }
            for (name, query) in queries {
                let (status, body) = app.ask(Method::GET, &format!("{path}?{query}")).await;
                operation.assert_documented(status);
                let pointer = &body["errors"][0]["pointer"];
                assert_eq!(
                    (status, pointer),
                    (StatusCode::BAD_REQUEST, &json!(format!("/{name}"))),
                    "{id}: {query}"
                );
                refused += 1;
            }
        }
        assert!(refused > 50, "{refused} were refused");
    });
}

#[test]
fn the_document_and_its_page_are_for_everybody() {
    App::story(async |app| {
        let get = async |path: &str| app.stranger(Method::GET, path).send().await.unwrap();
        let document = get("/api/openapi.json").await;
        assert_eq!(document.headers()[CONTENT_TYPE], "application/json");
        let page = get("/api/docs").await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-"),
            "{policy}"
        );
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
        for part in ["actions", "triggers"] {
            let all = app.get(&format!("/api/job/{part}:latest")).await;
            assert_eq!(all.as_array().unwrap().len(), 2, "{part}");
            for path in [format!("/api/job/{part}"), format!("/api/job/{part}:latest")] {
                let own = list(&path).await;
                assert_eq!((own.len(), &own[0]["jobId"]), (1, &jobs[0]["id"]), "{path}");
            }
        }
        let bank = app.get("/api/job/bank").await;
        let other = format!("/api/job/triggers?jobId={}", bank["id"].as_str().unwrap());
        assert!(list(&other).await.is_empty());
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

/// A version has an id and a name, and what a line says of one of them it says of the version.
#[test]
fn what_is_denied_of_a_version_is_so_under_both_of_its_names() {
    App::story(async |app| {
        user(app, "admin", everything()).await;
        let (_, published) = app
            .publish(&Package::new("shop", "1.0.0").routes(&["/shop"]))
            .await;
        let id = published["data"]["jobVersionId"].as_str().unwrap();
        let names = [id, "1.0.0"];
        for denied in names {
            let resource = format!("job/shop/versions/{denied}");
            let permissions = json!([
                line("allow", "job/shop", &["read"]),
                line("deny", &resource, &["read"])
            ]);
            let clerk = somebody(app, permissions).await;
            let only = somebody(app, json!([line("allow", &resource, &["read"])])).await;
            for name in names {
                let path = format!("/api/job/shop/versions/{name}");
                assert_eq!(
                    clerk.status(app, Method::GET, &path).await,
                    StatusCode::FORBIDDEN,
                    "{path}"
                );
                assert_eq!(
                    only.status(app, Method::GET, &path).await,
                    StatusCode::OK,
                    "{path}"
                );
            }
        }
    });
}
