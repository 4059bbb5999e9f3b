//! The functions' store, by the admin API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{App, Package, answer};

async fn send(app: &App, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    answer(
        app.request(method, &format!("/api/job/a/store/{path}"))
            .json(&body),
    )
    .await
}

async fn set(app: &App, key: &str, value: Value) {
    let (status, body) = send(app, Method::PUT, key, json!({ "value": value })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[test]
fn what_a_script_sets_a_function_finds_and_the_other_way_round() {
    App::story(async |app| {
        let module = "export const handler = async (request, response, context) => {
                const found = await context.getStore('from/script');
                await context.setStore('from-function', 'hello');
                response.text(String(found.value));
            };";
        app.publish(&Package::new("a", "1").file("index.js", module))
            .await;
        set(app, "from%2Fscript", json!({ "text": "good day" })).await;
        assert_eq!(app.call("/a").await, (StatusCode::OK, "good day".to_owned()));
        let item = app.get("/api/job/a/store/from-function").await;
        assert_eq!(
            (&item["text"], &item["base64"], &item["size"]),
            (&json!("hello"), &json!("aGVsbG8="), &json!(5))
        );
    });
}

#[test]
fn items_are_listed_by_prefix_in_parts() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        for key in ["x1", "x2", "x3", "y"] {
            set(app, key, json!({ "base64": "/wA=" })).await;
        }
        let (_, first) = app.ask(Method::GET, "/api/job/a/store?prefix=x&limit=2").await;
        let keys = |body: &Value| -> Vec<String> {
            let items = body["data"].as_array().unwrap().iter();
            items
                .map(|item| item["key"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(keys(&first), ["x1", "x2"]);
        let next = first["next"].as_str().unwrap();
        let (_, last) = app
            .ask(
                Method::GET,
                &format!("/api/job/a/store?prefix=x&limit=2&cursor={next}"),
            )
            .await;
        assert_eq!(
            (keys(&last), &last["next"]),
            (vec!["x3".to_owned()], &Value::Null)
        );
        let binary = app.get("/api/job/a/store/x1").await;
        assert_eq!((&binary["base64"], binary.get("text")), (&json!("/wA="), None));
        let (status, _) = app.ask(Method::DELETE, "/api/job/a/store/y").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            app.ask(Method::GET, "/api/job/a/store/y").await.1["code"],
            "key-not-found"
        );
    });
}

#[test]
fn numbers_are_added_to_and_values_are_swapped() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        let add = async |body| send(app, Method::POST, "n/increment", body).await.1["data"]["value"].clone();
        assert_eq!(add(json!({})).await, 1);
        assert_eq!(add(json!({ "by": 41 })).await, 42);
        let swap = async |body| send(app, Method::POST, "n/compare-and-set", body).await;
        let (_, body) = swap(json!({ "expected": { "text": "41" }, "value": { "text": "x" } })).await;
        assert_eq!(body["data"]["swapped"], false);
        let (_, body) = swap(json!({ "expected": { "text": "42" }, "value": { "text": "x" } })).await;
        assert_eq!(body["data"]["swapped"], true);
        let (status, body) = send(app, Method::POST, "n/increment", json!({})).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("not-a-number"))
        );
        let (_, body) = send(
            app,
            Method::POST,
            "new/compare-and-set",
            json!({ "value": { "text": "x" } }),
        )
        .await;
        assert_eq!(body["data"]["swapped"], true);
    });
}

#[test]
fn what_can_not_be_kept_is_refused() {
    App::story(async |app| {
        app.publish(&Package::new("a", "1")).await;
        let refused = async |body: Value| {
            let (status, body) = send(app, Method::PUT, "k", body).await;
            (status, body["code"].as_str().unwrap().to_owned())
        };
        let text = |bytes: usize| json!({ "value": { "text": "x".repeat(bytes) } });
        let large = (StatusCode::PAYLOAD_TOO_LARGE, "value-too-large".to_owned());
        assert_eq!(refused(text(1_000_001)).await, large);
        let larger = (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large".to_owned());
        assert_eq!(refused(text(14 << 20)).await, larger);
        let unreadable = (StatusCode::UNPROCESSABLE_ENTITY, "invalid".to_owned());
        assert_eq!(refused(json!({ "value": { "base64": "%" } })).await, unreadable);
        assert_eq!(
            refused(json!({ "value": { "text": "a", "base64": "" } })).await,
            unreadable
        );
        let (status, body) = send(
            app,
            Method::PUT,
            "k",
            json!({ "value": { "text": "" }, "ttl": -1 }),
        )
        .await;
        assert_eq!(
            (status, &body["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("/ttl"))
        );
        let long = "k".repeat(513);
        assert_eq!(
            app.ask(Method::GET, &format!("/api/job/a/store/{long}")).await.1["code"],
            "bad-request"
        );
    });
}
