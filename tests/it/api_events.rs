//! What the admin API tells of what changes.

use std::collections::HashSet;
use std::time::Duration;

use jobber::api::AdminConfig;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::access::{line, somebody};
use crate::support::events::EventBlocks;
use crate::support::{App, Package};

const PATH: &str = "/api/events";

/// Changes, heard one by one.
struct Heard(EventBlocks);

impl Heard {
    async fn of(request: RequestBuilder) -> Self {
        Self(EventBlocks::of(request).await)
    }

    async fn next(&mut self) -> Option<Value> {
        let block = self.0.next().await?;
        let data = block.strip_prefix("event: changed\ndata: ").expect("a change");
        Some(serde_json::from_str(data).unwrap())
    }

    /// The next change of this, with what came before it.
    async fn until(&mut self, topic: &str) -> (Value, Vec<Value>) {
        let mut before = Vec::new();
        while before.len() < 100 {
            let change = self.next().await.expect("no end");
            if change["topic"] == topic {
                return (change["jobs"].clone(), before);
            }
            before.push(change);
        }
        panic!("nothing of {topic}: {before:?}")
    }
}

async fn publish(app: &App, name: &str) -> Value {
    let package = Package::new(name, "1.0.0").routes(&[&format!("/{name}")]);
    app.publish(&package).await;
    app.get(&format!("/api/job/{name}")).await["id"].clone()
}

#[test]
fn whoever_listens_hears_what_changes_and_of_which_job() {
    App::story(async |app| {
        let mut heard = Heard::of(app.request(Method::GET, PATH)).await;
        let shop = publish(app, "shop").await;
        heard.until("versions").await;
        let mine = json!([shop]);

        app.call("/shop").await;
        assert_eq!(heard.until("invocations").await.0, mine);

        let value = json!({ "type": "text", "value": "1" });
        let set = app
            .request(Method::POST, "/api/job/shop/environment/ONE")
            .json(&value);
        assert!(set.send().await.unwrap().status().is_success());
        assert_eq!(heard.until("environment").await.0, mine);

        let disable = json!({ "status": "disabled" });
        let put = app.request(Method::PUT, "/api/job/shop").json(&disable);
        assert_eq!(put.send().await.unwrap().status(), StatusCode::OK);
        // Its runners end: nobody says so, it is seen.
        let mut awaited = HashSet::from(["jobs", "runners"]);
        while !awaited.is_empty() {
            let change = heard.next().await.expect("no end");
            if change["jobs"] == mine {
                awaited.remove(change["topic"].as_str().unwrap());
            }
        }
    });
}

#[test]
fn nobody_hears_of_jobs_that_they_may_not_see() {
    App::story(async |app| {
        let shop = publish(app, "shop").await;
        publish(app, "secret").await;
        let permissions = json!([
            line("allow", "job/shop", &["read"]),
            line("allow", "job/shop/environment", &["read"])
        ]);
        let ann = somebody(app, permissions).await;
        let mut heard = Heard::of(ann.request(app, Method::GET, PATH)).await;
        for name in ["secret", "shop"] {
            let value = json!({ "type": "text", "value": "1" });
            let set = app
                .request(Method::POST, &format!("/api/job/{name}/environment/ONE"))
                .json(&value);
            assert!(set.send().await.unwrap().status().is_success());
        }
        let (jobs, before) = heard.until("environment").await;
        assert_eq!(jobs, json!([shop]));
        let audit = before.iter().find(|change| change["topic"] == "audit");
        assert_eq!(audit, None, "who has changed what is not for everybody");
    });
}

#[test]
fn streams_end_when_they_should_and_there_are_not_too_many() {
    let admin = AdminConfig {
        followers: 1,
        heartbeat: Duration::from_millis(100),
        ..AdminConfig::default()
    };
    App::administered_story(admin, async |app| {
        let mut short = Heard::of(app.request(Method::GET, &format!("{PATH}?seconds=1"))).await;
        let (status, body) = app.ask(Method::GET, PATH).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("busy"))
        );
        while let Some(change) = short.next().await {
            assert_ne!(change["topic"], "jobs", "nothing was published");
        }
        for seconds in ["0", "86401", "x"] {
            let (status, body) = app.ask(Method::GET, &format!("{PATH}?seconds={seconds}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        }
        assert_eq!(
            app.stranger(Method::GET, PATH).send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
    });
}

#[test]
fn whoever_may_not_come_in_any_more_hears_nothing_more() {
    let admin = AdminConfig {
        heartbeat: Duration::from_millis(100),
        ..AdminConfig::default()
    };
    App::administered_story(admin, async |app| {
        let ann = somebody(app, json!([line("allow", "job/shop", &["read"])])).await;
        let mut heard = Heard::of(ann.request(app, Method::GET, PATH)).await;
        let users = app.get("/api/users?limit=100").await;
        let id = users.as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
        let gone = app
            .request(Method::DELETE, &format!("/api/users/{id}"))
            .send()
            .await
            .unwrap();
        assert!(gone.status().is_success());
        while heard.next().await.is_some() {}
    });
}
