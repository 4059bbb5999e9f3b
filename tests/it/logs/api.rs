//! What the admin API says of the logs.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use jobber::api::AdminConfig;
use jobber::logs::NoLogs;
use jobber::logs::loki::LokiLogs;
use jobber_actors::domain::JobId;
use jobber_actors::ports::{LogLevel, LogLine, OutputStream};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::events::EventBlocks;
use crate::support::loki::Loki;
use crate::support::{App, Package, answer, eventually};

/// Lines, heard one by one.
struct Events(EventBlocks);

#[derive(Debug, PartialEq)]
struct Event {
    id: String,
    line: Value,
}

impl Event {
    fn message(&self) -> &str {
        self.line["message"].as_str().unwrap()
    }
}

impl Events {
    async fn of(request: RequestBuilder) -> Self {
        Self(EventBlocks::of(request).await)
    }

    async fn next(&mut self) -> Option<Event> {
        let block = self.0.next().await?;
        let (id, data) = block.strip_prefix("id: ")?.split_once("\ndata: ").unwrap();
        Some(Event {
            id: id.to_owned(),
            line: serde_json::from_str(data).unwrap(),
        })
    }

    async fn messages(&mut self, count: usize) -> Vec<String> {
        let mut messages = Vec::new();
        for _ in 0..count {
            messages.push(self.next().await.unwrap().message().to_owned());
        }
        messages
    }
}

/// A job that logs what it is asked to, and one that never did anything.
async fn publish(app: &App) -> JobId {
    let module = "export function handler(request, response) {
        console.log(request.query('out')); console.error(request.query('error')); response.text('done'); }";
    let package = Package::new("shop", "1.0.0").file("index.js", module);
    let (status, body) = app.publish(&package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["data"]["jobId"].as_str().unwrap().parse().unwrap()
}

/// Lines as another server would keep them, beginning some seconds ago.
async fn keep(app: &App, job: JobId, messages: &[&str]) {
    let begin = Utc::now();
    let lines: Vec<_> = messages
        .iter()
        .zip(0..)
        .map(|(message, n)| LogLine {
            time: begin + TimeDelta::microseconds(n),
            job,
            version: None,
            runner: None,
            invocation: None,
            stream: OutputStream::Stdout,
            level: LogLevel::Info,
            message: (*message).to_owned(),
            fields: None,
        })
        .collect();
    app.log_store.append(&lines).await.unwrap();
}

/// Tells a story with each driver: what the API says does not depend on it.
fn with_each_driver(story: impl AsyncFn(&App)) {
    App::story(&story);
    actix_rt::System::new().block_on(async {
        let loki = Loki::start();
        let logs = LokiLogs::new(&loki.section()).await.unwrap();
        App::logging_story(logs, &story).await;
    });
}

#[test]
fn a_server_that_keeps_no_logs_says_so() {
    actix_rt::System::new().block_on(App::logging_story(NoLogs, async |app| {
        publish(app).await;
        app.call("/shop?out=one&error=oh").await;
        for path in ["/api/job/shop/logs", "/api/job/logs"] {
            let (status, body) = app.ask(Method::GET, path).await;
            assert_eq!(status, StatusCode::CONFLICT, "{path}: {body}");
            assert_eq!(body["code"], "logs-not-kept");
        }
    }));
}

#[test]
fn filters_are_taken_and_wrong_ones_refused() {
    with_each_driver(async |app| {
        publish(app).await;
        app.call("/shop?out=Hello%20you&error=oh").await;
        let of = async |query: &str| {
            let lines = app.get(&format!("/api/job/shop/logs?{query}")).await;
            let lines = lines.as_array().unwrap().clone();
            lines
                .into_iter()
                .filter(|line| line["stream"] != "system")
                .collect::<Vec<_>>()
        };
        let lines = eventually("both lines are there", async || {
            let lines = of("").await;
            (lines.len() == 2).then_some(lines)
        })
        .await;
        let text = |name: &str| lines[0][name].as_str().unwrap().to_owned();
        let (invocation, version) = (text("invocationId"), text("versionId"));
        assert_eq!(of("stream=stderr").await, lines[1..]);
        assert_eq!(of("level=error").await, lines[1..]);
        assert_eq!(of("level=info").await, lines);
        assert_eq!(of("text=hello%20YOU").await, lines[..1]);
        assert_eq!(
            of(&format!("invocation={invocation}&version={version}")).await,
            lines
        );
        assert!(of(&format!("invocation={version}")).await.is_empty());
        assert_eq!(of(&format!("from={}", text("time"))).await, lines);
        assert!(of(&format!("to={}", text("time"))).await.is_empty());
        for (query, parameter) in [
            ("stream=stdin", "stream"),
            ("level=fatal", "level"),
            ("text=", "text"),
            (&*format!("text={}", "x".repeat(257)), "text"),
            ("from=yesterday", "from"),
            ("invocation=1", "invocation"),
            ("before=x", "before"),
        ] {
            for path in ["/api/job/shop/logs", "/api/job/logs"] {
                let (status, body) = app.ask(Method::GET, &format!("{path}?{query}")).await;
                assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {body}");
                assert_eq!(body["errors"][0]["pointer"], format!("/{parameter}"), "{query}");
            }
        }
    });
}

#[test]
fn a_log_is_followed_and_gone_on_with_after_the_last_event() {
    with_each_driver(async |app| {
        let job = publish(app).await;
        let follow = async |query: &str| {
            Events::of(app.request(
                Method::GET,
                &format!("/api/job/shop/logs/tail?stream=stdout{query}"),
            ))
            .await
        };
        let mut events = follow("").await;
        // Of a function's own line this server knows at once.
        app.call("/shop?out=one&error=oh").await;
        let one = events.next().await.unwrap();
        assert_eq!(one.message(), "one");
        assert_eq!(one.id, one.line["cursor"]);
        // Those of another server are looked for.
        keep(app, job, &["two", "three"]).await;
        assert_eq!(events.messages(2).await, ["two", "three"]);
        drop(events);

        keep(app, job, &["four", "five"]).await;
        let request = app
            .request(Method::GET, "/api/job/shop/logs/tail?stream=stdout&lines=1000")
            .header("Last-Event-ID", &one.id);
        let mut again = Events::of(request).await;
        assert_eq!(again.messages(4).await, ["two", "three", "four", "five"]);
        let mut after = follow(&format!("&after={}", one.id)).await;
        assert_eq!(after.messages(2).await, ["two", "three"]);
        let mut newest = follow("&lines=2").await;
        assert_eq!(newest.messages(2).await, ["four", "five"]);
        app.call("/shop?out=six&error=oh").await;
        assert_eq!(newest.messages(1).await, ["six"]);
        assert_eq!(again.messages(1).await, ["six"]);

        let mut short = follow("&lines=1&seconds=1&text=SIX").await;
        assert_eq!(short.messages(1).await, ["six"]);
        assert_eq!(short.next().await, None);
    });
}

#[test]
fn what_can_not_be_followed_is_refused() {
    let admin = AdminConfig {
        followers: 1,
        // That a client is gone shows when something is written.
        heartbeat: Duration::from_millis(100),
        ..AdminConfig::default()
    };
    App::administered_story(admin, async |app| {
        publish(app).await;
        let path = "/api/job/shop/logs/tail";
        for query in [
            "lines=1001",
            "lines=-1",
            "seconds=0",
            "seconds=86401",
            "after=x",
            "from=2026-01-01T00:00:00Z",
        ] {
            let (status, body) = app.ask(Method::GET, &format!("{path}?{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {body}");
        }
        let request = app.request(Method::GET, path).header("Last-Event-ID", "x");
        assert_eq!(answer(request).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(
            app.ask(Method::GET, "/api/job/none/logs/tail").await.0,
            StatusCode::NOT_FOUND
        );

        let first = Events::of(app.request(Method::GET, path)).await;
        let (status, body) = app.ask(Method::GET, path).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("busy"))
        );
        drop(first);
        eventually("the place is free again", async || {
            let response = app.request(Method::GET, path).send().await.unwrap();
            (response.status() == StatusCode::OK).then_some(())
        })
        .await;
    });
}

#[test]
fn whoever_may_not_read_any_more_hears_nothing_more() {
    let admin = AdminConfig {
        heartbeat: Duration::from_millis(100),
        ..AdminConfig::default()
    };
    App::administered_story(admin, async |app| {
        publish(app).await;
        let new = json!({
            "username": "ann", "password": "correct horse",
            "permissions": [{ "effect": "allow", "resource": "job/shop/logs", "actions": ["read"] }],
        });
        let (_, user) = answer(app.request(Method::POST, "/api/users").json(&new)).await;
        let id = user["data"]["id"].as_str().unwrap();
        let new = json!({ "userId": id, "permissions": new["permissions"] });
        let (_, token) = answer(app.request(Method::POST, "/api/api-tokens").json(&new)).await;
        let secret = token["data"]["token"].as_str().unwrap();
        let request = app
            .stranger(Method::GET, "/api/job/shop/logs/tail?stream=stdout")
            .bearer_auth(secret);
        let mut events = Events::of(request).await;
        for expected in [": the log follows", ": still there", ": still there"] {
            assert_eq!(events.0.block().await.unwrap(), expected);
        }
        let disable = app
            .request(Method::PUT, &format!("/api/users/{id}"))
            .json(&json!({ "enabled": false }));
        assert_eq!(answer(disable).await.0, StatusCode::OK);
        assert_eq!(events.next().await, None);
    });
}

#[test]
fn a_server_that_stops_ends_what_has_no_end() {
    App::story(async |app| {
        publish(app).await;
        let mut events = Events::of(app.request(Method::GET, "/api/job/shop/logs/tail")).await;
        let begun = std::time::Instant::now();
        let (end, ()) = tokio::join!(events.next(), app.shut_down());
        assert_eq!(end, None);
        assert!(begun.elapsed() < Duration::from_secs(4), "nobody was waited for");
    });
}

#[test]
fn a_log_is_exported_as_a_line_of_json_for_each_line() {
    with_each_driver(async |app| {
        let job = publish(app).await;
        let all: Vec<String> = (0..2_500).map(|n| format!("line {n}")).collect();
        let texts: Vec<_> = all.iter().map(String::as_str).collect();
        keep(app, job, &texts).await;
        let export = async |query: &str| {
            let path = format!("/api/job/shop/logs/export?stream=stdout{query}");
            let response = app.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
            assert_eq!(
                response.headers()[CONTENT_DISPOSITION],
                "attachment; filename=\"shop-log.ndjson\""
            );
            let text = response.text().await.unwrap();
            assert!(text.is_empty() || text.ends_with('\n'));
            let lines = text
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines
                .map(|line| line["message"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(export("").await, all);
        let with_nines: Vec<_> = all.iter().filter(|line| line.contains("99")).cloned().collect();
        assert_eq!(export("&text=99").await, with_nines);
        assert!(export("&to=2020-01-01T00:00:00Z").await.is_empty());
        assert!(export("&level=error").await.is_empty());
    });
}
