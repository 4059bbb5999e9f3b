//! Trying a version out with events that a person makes up.

use jobber_actors::domain::VersionId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{App, Package, answer, eventually};

/// What it is tried with, and what it does about it.
const MODULE: &str = r#"
    let messages = 0;
    export async function handler(request, response, context) {
        switch (request.type()) {
            case "mqtt":
                messages += 1;
                await context.setStore("message", `${request.topic()} ${request.text()} ${request.name()}`);
                return;
            case "schedule":
                await context.setStore("instant", request.scheduledAt().toISOString());
                return;
        }
        if (request.path() === "/boom") throw new TypeError(`no bread, ${process.env.SECRET}`);
        if (request.path() === "/slow") await new Promise((resolve) => setTimeout(resolve, 60_000));
        const said = `${request.method()} ${request.param("name")} ${request.query("q")} ${request.header("x-name")} ${await request.text()}`;
        response.header("x-secret", process.env.SECRET ?? "").text(said, 201);
    }
"#;

fn package(version: &str) -> Package {
    let broker = json!({ "host": "127.0.0.1", "port": "1" });
    Package::new("shop", version)
        .with(
            "triggers",
            json!([
                { "type": "http", "name": "greet", "path": "/greet/:name" },
                { "type": "mqtt", "name": "doors", "topics": ["doors/+"], "connection": broker },
                { "type": "schedule", "name": "yearly", "cron": "0 0 1 1 *" },
            ]),
        )
        .file("index.js", MODULE)
}

async fn version(app: &App, name: &str) -> String {
    let versions = app.get("/api/job/shop/versions").await;
    let mut versions = versions.as_array().unwrap().iter();
    let found = versions.find(|version| version["version"] == name).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

async fn try_out(app: &App, version: &str, test: Value) -> (StatusCode, Value) {
    let path = format!("/api/job/shop/versions/{version}/test");
    answer(app.request(Method::POST, &path).json(&test)).await
}

async fn kept(app: &App, key: &str) -> Value {
    app.get(&format!("/api/job/shop/store/{key}")).await["text"].clone()
}

#[test]
fn a_version_that_does_not_serve_answers_an_event_and_the_record_says_that_it_was_a_test() {
    App::story(async |app| {
        assert_eq!(app.publish(&package("1")).await.0, StatusCode::OK);
        let secret = json!({ "type": "secret", "value": "the-secret-of-bread" });
        let set = app.request(Method::POST, "/api/job/shop/environment/SECRET");
        assert!(answer(set.json(&secret)).await.0.is_success());
        let other = Package::new("shop", "2").file("index.js", "export const handler = () => {};");
        assert_eq!(app.publish(&other).await.0, StatusCode::OK);
        let first = version(app, "1").await;

        let request = json!({ "method": "put", "path": "/greet/Ada?q=1", "headers": [["X-Name", "Bob"]], "body": "bread" });
        let (status, body) = try_out(app, &first, json!({ "event": { "http": request } })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let tested = &body["data"];
        assert_eq!(
            (&tested["status"], &tested["triggerName"], &tested["matches"]),
            (&json!("succeeded"), &json!("greet"), &json!(true)),
            "{tested}"
        );
        let answered = &tested["answer"];
        assert_eq!(
            (
                &answered["status"],
                &answered["complete"],
                &answered["body"]["text"]
            ),
            (&json!(201), &json!(true), &json!("PUT Ada 1 Bob bread"))
        );
        let headers = answered["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["x-secret", "********"])), "{headers:?}");

        let id = tested["invocationId"].as_str().unwrap().to_owned();
        let opened = eventually("it is recorded", async || {
            let (_, body) = app.ask(Method::GET, &format!("/api/invocations/{id}")).await;
            body["data"]["ended"].is_string().then(|| body["data"].clone())
        })
        .await;
        assert_eq!(
            (
                &opened["test"],
                &opened["replayOf"],
                &opened["captured"],
                &opened["versionId"]
            ),
            (&json!(true), &Value::Null, &json!(true), &json!(first))
        );
        assert_eq!(opened["payload"]["inputBody"]["text"], "bread");

        let message = json!({ "topic": "doors/7", "payloadBase64": "b3Blbg==" });
        let (status, body) = try_out(app, &first, json!({ "event": { "mqtt": message } })).await;
        assert_eq!(
            (status, &body["data"]["status"]),
            (StatusCode::OK, &json!("succeeded")),
            "{body}"
        );
        assert!(body["data"]["answer"].is_null(), "{body}");
        assert!(
            kept(app, "message")
                .await
                .to_string()
                .contains("doors/7 open doors")
        );

        let instant = json!({ "scheduledAt": "2031-02-03T04:05:06Z" });
        let test = json!({ "trigger": "yearly", "event": { "schedule": instant } });
        let (status, body) = try_out(app, &first, test).await;
        assert_eq!(
            (status, &body["data"]["triggerName"]),
            (StatusCode::OK, &json!("yearly")),
            "{body}"
        );
        assert!(
            kept(app, "instant")
                .await
                .to_string()
                .contains("2031-02-03T04:05:06.000Z")
        );

        let audit = app.get("/api/audit?limit=100").await;
        let tests = audit.as_array().unwrap().iter();
        let tests = tests.filter(|entry| entry["action"] == "POST /api/job/{job}/versions/{version}/test");
        assert_eq!(tests.count(), 3);
    });
}

#[test]
fn what_fails_is_told_with_its_stack_and_what_takes_longer_goes_on() {
    App::story(async |app| {
        assert_eq!(app.publish(&package("1")).await.0, StatusCode::OK);
        let first = version(app, "1").await;
        // No route leads there; a handler can be tried with anything.
        let (status, body) = try_out(app, &first, json!({ "event": { "http": { "path": "/boom" } } })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let tested = &body["data"];
        assert_eq!(
            (&tested["status"], &tested["matches"]),
            (&json!("failed"), &json!(false))
        );
        assert_eq!(
            (&tested["error"]["name"], &tested["error"]["code"]),
            (&json!("TypeError"), &json!("function-failed"))
        );
        let stack = tested["error"]["stack"].as_str().unwrap();
        assert!(stack.contains("index.js"), "{stack}");

        let test = json!({ "event": { "http": { "path": "/slow" } }, "waitSeconds": 0 });
        let (status, body) = try_out(app, &first, test).await;
        assert_eq!(
            (status, &body["data"]["status"]),
            (StatusCode::ACCEPTED, &json!("running")),
            "{body}"
        );
        assert!(body["data"]["invocationId"].is_string() && body["data"]["durationMs"].is_null());
    });
}

#[test]
fn what_can_not_be_tried_is_refused_with_the_reason() {
    App::story(async |app| {
        assert_eq!(app.publish(&package("1")).await.0, StatusCode::OK);
        let broken = Package::new("shop", "2").file("index.js", "throw new Error('not today')");
        assert_eq!(app.publish(&broken).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let (first, second) = (version(app, "1").await, version(app, "2").await);
        let http = |fields: Value| json!({ "event": { "http": fields } });
        for (test, pointer) in [
            (http(json!({ "method": "G T" })), "/event/http/method"),
            (http(json!({ "nosuch": 1 })), "/event/http/nosuch"),
            (json!({ "event": { "pigeon": {} } }), "/event"),
            (
                json!({ "trigger": "greet", "event": { "schedule": {} } }),
                "/trigger",
            ),
            (
                json!({ "event": { "schedule": {} }, "waitSeconds": 51 }),
                "/waitSeconds",
            ),
        ] {
            let (status, body) = try_out(app, &first, test.clone()).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{test}: {body}");
            let found = body["errors"][0]["pointer"].as_str().unwrap();
            assert!(found.starts_with(pointer), "{test}: {body}");
        }
        let code = async |version: &str, test: Value| {
            let (status, body) = try_out(app, version, test).await;
            (status, body["code"].as_str().unwrap_or_default().to_owned())
        };
        let large = "x".repeat(3 << 20);
        assert_eq!(
            code(&first, http(json!({ "body": large }))).await,
            (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large".into())
        );
        assert_eq!(
            code(&VersionId::generate().to_string(), http(json!({}))).await,
            (StatusCode::NOT_FOUND, "version-not-found".into())
        );
        assert_eq!(
            code(&second, http(json!({}))).await,
            (StatusCode::UNPROCESSABLE_ENTITY, "import-failed".into())
        );
        let disable = app
            .request(Method::PUT, "/api/job/shop")
            .json(&json!({ "status": "disabled" }));
        assert_eq!(answer(disable).await.0, StatusCode::OK);
        assert_eq!(
            code(&first, http(json!({}))).await,
            (StatusCode::CONFLICT, "job-not-served".into())
        );
    });
}
