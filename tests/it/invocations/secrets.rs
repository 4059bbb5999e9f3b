//! A job's secrets do not get into the record.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::recorded;
use crate::support::{App, Package, answer, eventually};

const SECRET: &str = "hunter2-and-more";
const MODULE: &str = r#"
    export const handler = async (request, response) => {
        const key = process.env.KEY;
        if (request.path() === "/key") return response.text(key ?? "none");
        response.header("x-note", `the key is ${key}`);
        response.status(500).text(`not with ${key} and ${await request.text()}`);
    };
"#;

#[test]
fn a_secret_is_masked_wherever_it_stands_and_nobody_replays_the_mask() {
    App::story(async |app| {
        let package = Package::new("shop", "1")
            .routes(&["/key", "/hook/:name"])
            .file("index.js", MODULE);
        assert_eq!(app.publish(&package).await.0, StatusCode::OK);
        let secret = app.request(Method::POST, "/api/job/shop/environment/KEY");
        let set = answer(secret.json(&json!({ "type": "secret", "value": SECRET }))).await;
        assert_eq!(set.0, StatusCode::OK);
        eventually("the function has its secret", async || {
            (app.call("/key").await.1 == SECRET).then_some(())
        })
        .await;

        let client = jobber::outgoing::without_tls().build().unwrap();
        let hook = |name: &str| client.post(format!("{}/hook/{name}?note={SECRET}", app.gateway_url));
        // Neither what is no text nor what is cut in the middle of a secret keeps it.
        let mut body = vec![b'x'; 16 * 1024 - 5];
        body[0] = 0xff;
        body.extend_from_slice(SECRET.as_bytes());
        let request = hook(SECRET).header("x-note", SECRET).body(body);
        assert_eq!(request.send().await.unwrap().status(), 500);
        let request = hook("a").body(format!("with {SECRET} in it"));
        assert_eq!(request.send().await.unwrap().status(), 500);

        let records = recorded(app, "&text=hook", 2).await;
        let id = records[0]["id"].as_str().unwrap();
        let opened = app.get(&format!("/api/invocations/{id}")).await;
        assert_eq!(opened["payload"]["inputBody"]["text"], "with ******** in it");
        assert_eq!(records[1]["subject"], "POST /hook/********");
        let dump = app.dump().await;
        for begun in [SECRET, &SECRET[..5]] {
            assert!(
                !dump.contains(begun) && !dump.contains(&hex::encode(begun)),
                "{begun}"
            );
        }

        let replay = format!("/api/invocations/{id}/replay");
        let (status, body) = answer(app.request(Method::POST, &replay)).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::CONFLICT, &json!("invocation-masked")),
            "{body}"
        );
    });
}
