//! Doing all invocations again that a filter finds.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::recorded;
use crate::access::{line, somebody};
use crate::support::{App, Package, answer, eventually};

/// Fails the first time, and waits for as long as it is told; what is not captured can not be done again.
const MODULE: &str = r#"
    export const handler = async (request, response, context) => {
        if (request.path() === "/waits") {
            await context.increment("waiting", 1);
            while ((await context.getStore("go")) == null) await new Promise((resolve) => setTimeout(resolve, 20));
        }
        if (request.path() === "/breaks") {
            const times = await context.increment("broken", 1);
            if (times <= 3) throw new Error("not yet");
        }
        response.text("done");
    };
"#;

async fn publish(app: &App, capture: &str) {
    let package = Package::new("shop", "1")
        .routes(&["/breaks", "/waits", "/answers"])
        .with("action", json!({ "runnerMinCount": 0, "capture": capture }))
        .file("index.js", MODULE);
    let (status, body) = app.publish(&package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

async fn begin(app: &App, query: &str, how: Value) -> (StatusCode, Value) {
    let path = format!("/api/invocations/replays{query}");
    answer(app.request(Method::POST, &path).json(&how)).await
}

/// How a replay stands, once this holds.
async fn progress(app: &App, id: &Value, holds: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/invocations/replays/{}", id.as_str().unwrap());
    eventually("the replay goes on", async || {
        let progress = app.get(&path).await;
        holds(&progress).then_some(progress)
    })
    .await
}

#[test]
fn all_that_a_filter_finds_is_done_again_and_counted() {
    App::story(async |app| {
        publish(app, "errors").await;
        for path in ["/breaks", "/breaks", "/breaks", "/answers", "/answers"] {
            app.call(path).await;
        }
        recorded(app, "", 5).await;
        let (status, body) = begin(app, "?status=failed", json!({})).await;
        assert_eq!(
            (status, &body["data"]["found"]),
            (StatusCode::ACCEPTED, &json!(3)),
            "{body}"
        );
        let over = progress(app, &body["data"]["id"], |now| now["stage"] == "finished").await;
        assert_eq!(
            (
                &over["begun"],
                &over["succeeded"],
                &over["failed"],
                &over["refused"]
            ),
            (&json!(3), &json!(3), &json!(0), &json!({})),
            "{over}"
        );
        let records = recorded(app, "", 8).await;
        assert_eq!(
            records
                .iter()
                .filter(|record| record["replayOf"].is_string())
                .count(),
            3
        );

        // What was not kept can not be done again, and is counted with the reason.
        let (_, body) = begin(app, "?status=succeeded&type=http&sort=made", json!({ "most": 2 })).await;
        assert_eq!(
            (&body["data"]["found"], &body["data"]["more"]),
            (&json!(2), &json!(true)),
            "{body}"
        );
        let over = progress(app, &body["data"]["id"], |now| now["stage"] == "finished").await;
        assert_eq!(
            (&over["begun"], &over["refused"]),
            (&json!(0), &json!({ "invocation-not-captured": 2 })),
            "{over}"
        );

        let known = app.get("/api/invocations/replays").await;
        assert_eq!(
            (known.as_array().unwrap().len(), &known[0]["id"]),
            (2, &over["id"])
        );
        let audit = app.get("/api/audit?limit=100").await;
        let begun = audit.as_array().unwrap().iter();
        let begun = begun.filter(|entry| entry["action"] == "POST /api/invocations/replays");
        assert_eq!(begun.count(), 2);
    });
}

#[test]
fn a_replay_of_many_is_stopped_and_what_was_begun_goes_on() {
    App::story(async |app| {
        publish(app, "all").await;
        let set = |key: &'static str| {
            app.request(Method::PUT, &format!("/api/job/shop/store/{key}"))
                .json(&json!({ "value": { "text": "1" } }))
        };
        assert!(answer(set("go")).await.0.is_success());
        for _ in 0..12 {
            app.call("/waits").await;
        }
        recorded(app, "", 12).await;
        assert!(
            app.ask(Method::DELETE, "/api/job/shop/store/go")
                .await
                .0
                .is_success()
        );
        let (status, body) = begin(app, "", json!({})).await;
        assert_eq!(
            (status, &body["data"]["found"]),
            (StatusCode::ACCEPTED, &json!(12)),
            "{body}"
        );
        let id = &body["data"]["id"];
        // No more at once than may; the others wait for one to end.
        progress(app, id, |now| now["begun"] == 8).await;
        let path = format!("/api/invocations/replays/{}", id.as_str().unwrap());
        let (status, body) = app.ask(Method::DELETE, &path).await;
        assert_eq!(
            (status, &body["data"]["stage"]),
            (StatusCode::OK, &json!("cancelled")),
            "{body}"
        );
        assert!(answer(set("go")).await.0.is_success());
        let over = progress(app, id, |now| now["succeeded"] == 8).await;
        assert_eq!((&over["begun"], &over["stage"]), (&json!(8), &json!("cancelled")));
        recorded(app, "", 20).await;
    });
}

#[test]
fn who_may_not_do_one_again_may_not_do_many_and_does_not_see_them() {
    App::story(async |app| {
        publish(app, "errors").await;
        app.call("/breaks").await;
        recorded(app, "", 1).await;
        let shop = app.get("/api/job/shop").await["id"].as_str().unwrap().to_owned();
        let reader = somebody(app, json!([line("allow", "job/shop", &["read"])])).await;
        let path = format!("/api/invocations/replays?jobId={shop}");
        let (status, body) = answer(reader.request(app, Method::POST, &path)).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::FORBIDDEN, &json!("forbidden"))
        );
        // Of all jobs of which one may: none.
        let (status, body) = answer(reader.request(app, Method::POST, "/api/invocations/replays")).await;
        assert_eq!(
            (status, &body["data"]["found"]),
            (StatusCode::ACCEPTED, &json!(0)),
            "{body}"
        );

        let (_, body) = begin(app, &format!("?jobId={shop}"), json!({})).await;
        let id = body["data"]["id"].as_str().unwrap();
        for method in [Method::GET, Method::DELETE] {
            let path = format!("/api/invocations/replays/{id}");
            let (status, body) = answer(reader.request(app, method, &path)).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::NOT_FOUND, &json!("replay-not-found"))
            );
        }
        for (query, how, pointer) in [
            ("", json!({ "most": 0 }), "/most"),
            ("", json!({ "most": 10_001 }), "/most"),
            ("", json!({ "versionId": shop }), "/versionId"),
        ] {
            let (status, body) = begin(app, query, how).await;
            assert_eq!(
                (status, &body["errors"][0]["pointer"]),
                (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
                "{body}"
            );
        }
        let (status, _) = begin(app, "?status=broken", json!({})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    });
}
