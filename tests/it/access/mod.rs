//! Users, sessions, tokens, and what they may do.

mod audit;
mod login;
mod tokens;
mod users;
mod walk;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::{App, answer};

pub const PASSWORD: &str = "correct horse";

pub fn everything() -> Value {
    json!([{ "effect": "allow", "resource": "*", "actions": ["read", "write", "delete"] }])
}

pub fn line(effect: &str, resource: &str, actions: &[&str]) -> Value {
    json!({ "effect": effect, "resource": resource, "actions": actions })
}

/// Makes a user, and gives their id.
pub async fn user(app: &App, name: &str, permissions: Value) -> String {
    let new = json!({ "username": name, "password": PASSWORD, "permissions": permissions });
    let (status, body) = answer(app.request(Method::POST, "/api/users").json(&new)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(body["data"].get("password"), None);
    body["data"]["id"].as_str().unwrap().to_owned()
}

/// Makes a token in a user's name, and gives its id and its secret.
pub async fn token(app: &App, user: &str, permissions: Value) -> (String, String) {
    let new = json!({ "userId": user, "permissions": permissions });
    let (status, body) = answer(app.request(Method::POST, "/api/api-tokens").json(&new)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let text = |name: &str| body["data"][name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// A user with these permissions, and a request of theirs.
pub async fn somebody(app: &App, permissions: Value) -> Somebody {
    let name = format!("user-{}", next(app).await);
    let id = user(app, &name, permissions).await;
    let (_, secret) = token(app, &id, everything()).await;
    Somebody { secret }
}

/// A number that no user has yet.
async fn next(app: &App) -> usize {
    let users = app.get("/api/users?limit=100").await;
    users.as_array().unwrap().len()
}

pub struct Somebody {
    secret: String,
}

impl Somebody {
    pub fn request(&self, app: &App, method: Method, path: &str) -> RequestBuilder {
        app.stranger(method, path).bearer_auth(&self.secret)
    }

    pub async fn status(&self, app: &App, method: Method, path: &str) -> StatusCode {
        answer(self.request(app, method, path)).await.0
    }
}

/// Logs in, and gives the cookie.
async fn log_in(app: &App, name: &str, password: &str) -> Result<String, (StatusCode, Value)> {
    let login = json!({ "username": name, "password": password });
    let response = app
        .stranger(Method::POST, "/api/auth/login")
        .json(&login)
        .send()
        .await
        .unwrap();
    let status = response.status();
    let cookie = response.headers().get("set-cookie").cloned();
    let body: Value = response.json().await.unwrap();
    match cookie {
        Some(cookie) if status == StatusCode::OK => Ok(cookie.to_str().unwrap().to_owned()),
        _ => Err((status, body)),
    }
}

/// What a browser sends of a cookie.
fn sent(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}
