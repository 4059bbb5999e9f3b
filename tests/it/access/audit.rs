use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PASSWORD, everything, log_in, sent, user};
use crate::support::{App, Package, answer};

#[test]
fn every_change_is_written_down_with_who_what_and_from_where() {
    App::story(async |app| {
        let ada = user(app, "ada", everything()).await;
        app.publish(&Package::new("shop", "1.0.0").routes(&["/shop"]))
            .await;
        let cookie = log_in(app, "ada", PASSWORD).await.unwrap();
        let as_ada = |method, path: &str| app.stranger(method, path).header("cookie", sent(&cookie));
        let secret = json!({ "type": "secret", "value": "hunter2hunter2" });
        let (status, body) =
            answer(as_ada(Method::POST, "/api/job/shop/environment/KEY").json(&secret)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let change = json!({ "description": "sells" });
        answer(as_ada(Method::PUT, "/api/job/shop").json(&change)).await;
        answer(as_ada(Method::DELETE, "/api/job/nothing")).await;
        assert!(log_in(app, "mallory", PASSWORD).await.is_err());

        let entries = app.get("/api/audit").await;
        let entries: Vec<(&str, &str, &Value, &Value)> = entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                assert_eq!(entry["address"], "127.0.0.1");
                let text = |name: &str| entry[name].as_str().unwrap();
                (
                    text("action"),
                    text("resource"),
                    &entry["username"],
                    &entry["status"],
                )
            })
            .collect();
        let (ada_name, nobody) = (json!("ada"), Value::Null);
        assert_eq!(
            entries,
            [
                (
                    "POST /api/auth/login",
                    "/api/auth/login",
                    &json!("mallory"),
                    &json!(401)
                ),
                (
                    "DELETE /api/job/{job}",
                    "/api/job/nothing",
                    &ada_name,
                    &json!(404)
                ),
                ("PUT /api/job/{job}", "/api/job/shop", &ada_name, &json!(200)),
                (
                    "POST /api/job/{job}/environment/{name}",
                    "/api/job/shop/environment/KEY",
                    &ada_name,
                    &json!(200)
                ),
                ("POST /api/auth/login", "/api/auth/login", &ada_name, &json!(200)),
                ("POST /api/job/publish", "/api/job/publish", &nobody, &json!(200)),
                ("POST /api/users", "/api/users", &nobody, &json!(201)),
            ]
        );
        let own = app.get(&format!("/api/audit?userId={ada}&limit=2")).await;
        assert_eq!(own[1]["after"]["description"], "sells");
        assert_ne!(own[1]["before"]["description"], "sells");
        let all = app.get("/api/audit").await.to_string();
        assert!(!all.contains("hunter2") && !all.contains(PASSWORD) && !all.contains("argon2"));
    });
}

/// A change of several things is made one after the other; what was made before a refusal is in the record.
#[test]
fn what_a_refused_change_has_changed_is_written_down() {
    App::story(async |app| {
        app.publish(&Package::new("shop", "1.0.0")).await;
        let nothing = "018f3a5e-7f4e-7c3a-9b0a-0123456789ab";
        let change = json!({ "description": "half way", "jobVersionId": nothing });
        let (status, body) = answer(app.request(Method::PUT, "/api/job/shop").json(&change)).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
        let entry = app.get("/api/audit?limit=1").await[0].clone();
        assert_eq!(
            (&entry["status"], &entry["after"]["description"]),
            (&json!(404), &json!("half way")),
            "{entry}"
        );
    });
}
