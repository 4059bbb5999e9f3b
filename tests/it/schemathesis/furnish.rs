//! What there is to be found on the server that is tried.

use std::collections::BTreeMap;

use jobber::store::{PostgresDurableQueue, QueueLimits};
use jobber_actors::domain::JobId;
use jobber_actors::ports::DurableQueue as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::everything;
use crate::support::queue::dead;
use crate::support::{App, Package, answer, eventually};

/// The password of the user with sessions.
const PASSWORD: &str = "correct horse";
/// How much there is of everything that can be removed.
const MANY: usize = 30;
/// How many runners one job has.
const RUNNERS: usize = 2;

/// Values of path parameters by the parameters' names.
pub(super) struct Furnished {
    pub(super) found: BTreeMap<&'static str, Vec<String>>,
    /// Of somebody who may do everything and has sessions, and whom no request takes away: they are not among what is found.
    pub(super) token: String,
}

/// Brings something for every parameter of a path.
pub(super) async fn furnish(app: &App) -> Furnished {
    let job = publish(app).await;
    let clerk = json!({ "username": "clerk", "password": PASSWORD, "permissions": everything() });
    let clerk = create(app, "/api/users", clerk).await;
    let token = create(app, "/api/api-tokens", token_of(&clerk)).await;
    let token = text(&token, "token");
    let mut found = BTreeMap::from([
        ("job", vec!["shop".to_owned(), job.to_string()]),
        ("username", vec!["clerk".to_owned()]),
        ("password", vec![PASSWORD.to_owned()]),
        (
            "trigger",
            ["nightly", "main", "nightly"].map(str::to_owned).into(),
        ),
        ("session", sessions(app, &token).await),
        ("id", dead_letters(app, job).await),
        ("invocation", invocations(app).await),
    ]);
    for (parameter, list) in [("version", "versions"), ("action", "actions")] {
        found.insert(parameter, ids(&app.get(&format!("/api/job/shop/{list}")).await));
    }
    for number in 0..MANY {
        let user = json!({ "username": format!("user-{number}"), "password": PASSWORD });
        let user = create(app, "/api/users", user).await;
        let doomed = create(app, "/api/api-tokens", token_of(&clerk)).await;
        let (name, key) = (format!("NAME_{number}"), format!("key-{number}"));
        put(
            app,
            Method::POST,
            &format!("environment/{name}"),
            json!({ "type": "text", "value": "" }),
        )
        .await;
        put(
            app,
            Method::PUT,
            &format!("store/{key}"),
            json!({ "value": { "text": "1" } }),
        )
        .await;
        let more = [
            ("user", text(&user, "id")),
            ("token", text(&doomed, "id")),
            ("name", name),
            ("key", key),
        ];
        for (parameter, value) in more {
            found.entry(parameter).or_default().push(value);
        }
    }
    // Last, since what changes a job may replace its runners.
    found.insert("runner", runners(app).await);
    Furnished { found, token }
}

/// A job to be removed, one to be changed, and one that stays, with versions that do not serve, and runners.
async fn publish(app: &App) -> JobId {
    let mut job = None;
    for (name, version) in [
        ("doomed", 1),
        ("changing", 1),
        ("shop", 1),
        ("shop", 2),
        ("shop", 3),
    ] {
        let package = Package::new(name, &format!("1.0.{version}"))
            .with(
                "action",
                json!({ "runnerMinCount": if name == "shop" { RUNNERS } else { 0 } }),
            )
            .with(
                "triggers",
                json!([
                    {"type": "http", "path": format!("/{name}"), "name": "main"},
                    {"type": "schedule", "cron": "0 3 * * *", "name": "nightly"},
                ]),
            );
        let (status, body) = app.publish(&package).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        job = body["data"]["jobId"].as_str().map(|id| id.parse().unwrap());
    }
    job.unwrap()
}

/// Those of the version that serves, all of them.
async fn runners(app: &App) -> Vec<String> {
    let serving = app.get("/api/job/shop/actions:current").await["id"].take();
    let runners = eventually("all runners", async || {
        let path = format!("/api/job/shop/actions/{}/runners", serving.as_str().unwrap());
        let runners = ids(&app.get(&path).await);
        (runners.len() == RUNNERS).then_some(runners)
    });
    runners.await
}

/// Of a request.
async fn invocations(app: &App) -> Vec<String> {
    app.call("/shop").await;
    let recorded = eventually("a recorded invocation", async || {
        let found = ids(&app.get("/api/job/shop/invocations").await);
        (!found.is_empty()).then_some(found)
    });
    recorded.await
}

async fn sessions(app: &App, token: &str) -> Vec<String> {
    let login = json!({ "username": "clerk", "password": PASSWORD });
    for _ in 0..MANY {
        let (status, body) = answer(app.stranger(Method::POST, "/api/auth/login").json(&login)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    let (_, body) = answer(app.stranger(Method::GET, "/api/auth/sessions").bearer_auth(token)).await;
    ids(&body["data"])
}

async fn dead_letters(app: &App, job: JobId) -> Vec<String> {
    let queue = PostgresDurableQueue::new(app.database.clone(), "it", QueueLimits::default());
    let letters: Vec<_> = (0..MANY).map(|_| dead(job)).collect();
    queue.keep(&letters).await.unwrap();
    letters
        .iter()
        .map(|letter| letter.delivery.id.to_string())
        .collect()
}

fn token_of(user: &Value) -> Value {
    json!({ "userId": user["id"], "permissions": everything() })
}

async fn create(app: &App, path: &str, new: Value) -> Value {
    let (status, mut body) = answer(app.request(Method::POST, path).json(&new)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    body["data"].take()
}

async fn put(app: &App, method: Method, part: &str, new: Value) {
    let (status, body) = answer(app.request(method, &format!("/api/job/shop/{part}")).json(&new)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap().to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| text(item, "id"))
        .collect()
}
