use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{everything, line, token, user};
use crate::support::{App, answer};

async fn status(app: &App, secret: &str, path: &str) -> StatusCode {
    answer(app.stranger(Method::GET, path).bearer_auth(secret))
        .await
        .0
}

async fn put(app: &App, path: &str, change: Value) -> Value {
    let (status, body) = answer(app.request(Method::PUT, path).json(&change)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["data"].clone()
}

#[test]
fn a_token_is_shown_once_and_kept_as_its_hash() {
    App::story(async |app| {
        let ada = user(app, "ada", everything()).await;
        let (id, secret) = token(app, &ada, everything()).await;
        assert_eq!(status(app, &secret, "/api/auth").await, StatusCode::OK);
        let shown = app.get(&format!("/api/api-tokens/{id}")).await;
        assert!(secret.starts_with(shown["prefix"].as_str().unwrap()));
        assert_eq!((shown.get("token"), &shown["username"]), (None, &json!("ada")));
        assert!(shown["lastUsed"].is_string(), "{shown}");
        assert!(!app.dump().await.contains(&secret));
        assert_eq!(app.get("/api/api-tokens").await.as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_token_does_no_more_than_its_user_and_is_dead_with_them() {
    App::story(async |app| {
        let audit = line("allow", "system/audit", &["read"]);
        let ada = user(app, "ada", json!([audit.clone()])).await;
        let (id, secret) = token(app, &ada, everything()).await;
        assert_eq!(status(app, &secret, "/api/audit").await, StatusCode::OK);
        assert_eq!(
            status(app, &secret, "/api/debug/tree").await,
            StatusCode::FORBIDDEN
        );

        let path = format!("/api/api-tokens/{id}");
        put(app, &path, json!({ "permissions": [] })).await;
        assert_eq!(status(app, &secret, "/api/audit").await, StatusCode::FORBIDDEN);
        put(app, &path, json!({ "permissions": [audit], "enabled": false })).await;
        assert_eq!(status(app, &secret, "/api/audit").await, StatusCode::UNAUTHORIZED);
        put(app, &path, json!({ "enabled": true })).await;
        assert_eq!(status(app, &secret, "/api/audit").await, StatusCode::OK);

        put(app, &format!("/api/users/{ada}"), json!({ "enabled": false })).await;
        assert_eq!(status(app, &secret, "/api/audit").await, StatusCode::UNAUTHORIZED);
        put(app, &format!("/api/users/{ada}"), json!({ "enabled": true })).await;
        assert_eq!(app.ask(Method::DELETE, &path).await.0, StatusCode::OK);
        assert_eq!(status(app, &secret, "/api/audit").await, StatusCode::UNAUTHORIZED);
        assert_eq!(app.ask(Method::GET, &path).await.1["code"], "token-not-found");
    });
}

#[test]
fn a_token_ends_when_it_is_said_to() {
    App::story(async |app| {
        let ada = user(app, "ada", everything()).await;
        let new = json!({ "userId": ada, "permissions": everything(), "expires": "2020-01-01T00:00:00Z" });
        let (status_of_new, body) = answer(app.request(Method::POST, "/api/api-tokens").json(&new)).await;
        assert_eq!(status_of_new, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"][0]["pointer"], "/expires");

        let (id, secret) = token(app, &ada, everything()).await;
        let path = format!("/api/api-tokens/{id}");
        let shown = put(app, &path, json!({ "expires": "2999-01-01T00:00:00Z" })).await;
        assert_eq!(shown["expires"], "2999-01-01T00:00:00Z");
        let kept = put(app, &path, json!({ "description": "for tests" })).await;
        assert_eq!(kept["expires"], "2999-01-01T00:00:00Z");
        app.run_sql("update api_tokens set expires_at = now() - interval '1 second'")
            .await;
        assert_eq!(status(app, &secret, "/api/auth").await, StatusCode::UNAUTHORIZED);
        assert_eq!(
            put(app, &path, json!({ "expires": null })).await["expires"],
            Value::Null
        );
        assert_eq!(status(app, &secret, "/api/auth").await, StatusCode::OK);
    });
}

#[test]
fn the_instances_own_token_makes_tokens_only_for_users() {
    App::story(async |app| {
        let new = json!({ "permissions": everything() });
        let (status, body) = answer(app.request(Method::POST, "/api/api-tokens").json(&new)).await;
        assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("no-user")));
    });
}
