//! Doing invocations again.

use jobber_actors::domain::{InvocationId, VersionId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{publish, recorded};
use crate::support::{App, Package, answer, eventually};

#[test]
fn an_invocation_is_done_again_as_it_was_or_edited() {
    App::story(async |app| {
        publish(app).await;
        app.call("/answers").await;
        let client = jobber::outgoing::without_tls().build().unwrap();
        let request = client.post(format!("{}/throws", app.gateway_url));
        request.body("bread").send().await.unwrap();
        let records = recorded(app, "", 2).await;
        let (failed, answered) = (
            records[0]["id"].as_str().unwrap(),
            records[1]["id"].as_str().unwrap(),
        );
        let replay = |id: &str, changes: Option<Value>| {
            let request = app.request(Method::POST, &format!("/api/invocations/{id}/replay"));
            answer(match changes {
                Some(changes) => request.json(&changes),
                None => request,
            })
        };
        let (status, body) = replay(answered, None).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("invocation-not-captured"))
        );

        let (status, body) = replay(failed, None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        let again = body["data"]["invocationId"].as_str().unwrap().to_owned();
        recorded(app, "", 3).await;
        let opened = app.get(&format!("/api/invocations/{again}")).await;
        assert_eq!(
            (&opened["replayOf"], &opened["status"]),
            (&json!(failed), &json!("failed"))
        );
        assert_eq!(opened["error"]["message"], "no bread today");

        // A repetition is kept whatever becomes of it, and one can be edited.
        let mut input = opened["payload"]["input"].clone();
        input["http"]["target"] = json!("/answers");
        input["http"]["method"] = json!("GET");
        input["http"]["headers"] = json!([["x-name", "Ada"], ["authorization", "[redacted]"]]);
        let (status, body) = replay(failed, Some(json!({ "input": input, "body": "" }))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        assert_eq!(body["data"]["leftOut"], json!(["authorization"]));
        let edited = body["data"]["invocationId"].as_str().unwrap().to_owned();
        recorded(app, "", 4).await;
        let opened = app.get(&format!("/api/invocations/{edited}")).await;
        assert_eq!(opened["payload"]["outputBody"]["text"], "hello Ada");
        let cookie = json!(["set-cookie", "[redacted]"]);
        let headers = opened["payload"]["output"]["headers"].as_array().unwrap();
        assert!(headers.contains(&cookie), "{headers:?}");

        for (changes, pointer) in [
            (json!({ "body": "a", "bodyBase64": "YQ==" }), "/bodyBase64"),
            (json!({ "bodyBase64": "?" }), "/bodyBase64"),
            (json!({ "input": { "kind": "carrier pigeon" } }), "/input"),
            (json!({ "payload": "a" }), "/payload"),
        ] {
            let (status, body) = replay(failed, Some(changes.clone())).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{changes}: {body}");
            assert_eq!(body["errors"][0]["pointer"], pointer, "{body}");
        }
        let (status, body) = replay(&InvocationId::generate().to_string(), None).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("invocation-not-found"))
        );
        let disable = app
            .request(Method::PUT, "/api/job/shop")
            .json(&json!({ "status": "disabled" }));
        assert_eq!(answer(disable).await.0, StatusCode::OK);
        let (status, body) = replay(failed, None).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("job-not-served")),
            "{body}"
        );
    });
}

#[test]
fn an_invocation_is_done_again_on_a_version_that_does_not_serve() {
    App::story(async |app| {
        publish(app).await;
        app.call("/throws").await;
        let failed = recorded(app, "", 1).await[0].clone();
        let mended = Package::new("shop", "2").routes(&["/answers", "/throws"]).file(
            "index.js",
            "export const handler = (request, response) => response.text('mended');",
        );
        assert_eq!(app.publish(&mended).await.0, StatusCode::OK);
        let broken = Package::new("shop", "3").file("index.js", "throw new Error('not today')");
        assert_eq!(app.publish(&broken).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let versions = app.get("/api/job/shop/versions").await;
        let version = |name: &str| {
            let mut versions = versions.as_array().unwrap().iter();
            versions.find(|version| version["version"] == name).unwrap()["id"].clone()
        };
        let replay = format!("/api/invocations/{}/replay", failed["id"].as_str().unwrap());
        let replay = |version: Value| {
            let request = app.request(Method::POST, &replay);
            answer(request.json(&json!({ "versionId": version })))
        };

        for (name, status) in [("2", "succeeded"), ("1", "failed")] {
            let (code, body) = replay(version(name)).await;
            assert_eq!(code, StatusCode::ACCEPTED, "{body}");
            let again = body["data"]["invocationId"].as_str().unwrap().to_owned();
            let opened = eventually("it is recorded", async || {
                let (_, body) = app.ask(Method::GET, &format!("/api/invocations/{again}")).await;
                body["data"]["ended"].is_string().then(|| body["data"].clone())
            })
            .await;
            assert_eq!(
                (&opened["versionId"], &opened["status"], &opened["replayOf"]),
                (&version(name), &json!(status), &failed["id"])
            );
        }
        // Callers still get the one that serves.
        assert_eq!(app.call("/throws").await, (StatusCode::OK, "mended".into()));

        let (code, body) = replay(version("3")).await;
        assert_eq!(
            (code, &body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("import-failed")),
            "{body}"
        );
        let (code, body) = replay(json!(VersionId::generate())).await;
        assert_eq!(
            (code, &body["code"]),
            (StatusCode::NOT_FOUND, &json!("version-not-found")),
            "{body}"
        );
    });
}
