//! The admin API over the durable queue and the schedules.

use bytes::Bytes;
use jobber::store::{PostgresDurableQueue, QueueLimits};
use jobber_actors::domain::{InvocationId, JobId, ServerId};
use jobber_actors::ports::{DurableQueue, NewDelivery, Room};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::{everything, line, token, user};
use crate::support::queue::{LEASE, MOST, dead, due};
use crate::support::{App, Package};

fn queue(app: &App) -> PostgresDurableQueue {
    PostgresDurableQueue::new(app.database.clone(), "jobber", QueueLimits::default())
}

async fn publish(app: &App, package: &Package) -> JobId {
    let (status, body) = app.publish(package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["data"]["jobId"].as_str().unwrap().parse().unwrap()
}

/// Keeps dead letters one after the other; gives their ids, the newest first.
async fn keep_dead(app: &App, job: JobId, letters: usize) -> Vec<InvocationId> {
    let mut ids = Vec::new();
    for _ in 0..letters {
        let new = dead(job);
        queue(app).keep(std::slice::from_ref(&new)).await.unwrap();
        ids.insert(0, new.delivery.id);
    }
    ids
}

/// Status and code of what is refused.
async fn refused(app: &App, method: Method, path: &str) -> (u16, String) {
    let (status, body) = app.ask(method, path).await;
    assert_eq!(body["success"], false, "{path}: {body}");
    (
        status.as_u16(),
        body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn dead_letters_are_paged_read_redriven_and_removed() {
    App::story(async |app| {
        let job = publish(app, &Package::new("a", "1")).await;
        let ids = keep_dead(app, job, 5).await;
        let seen = app.parts("/api/job/a/dead-letters?limit=2").await;
        assert!(
            seen.iter().all(|letter| letter.get("payload").is_none()),
            "{seen:?}"
        );
        let seen: Vec<_> = seen.iter().map(|letter| &letter["id"]).collect();
        assert_eq!(json!(seen), json!(ids));

        let letter = app.get(&format!("/api/job/a/dead-letters/{}", ids[0])).await;
        for (field, value) in [
            ("payload", json!("MTcuNQ==")),
            ("text", json!("17.5")),
            ("size", json!(4)),
            ("type", json!("mqtt")),
            ("topic", json!("meter/1")),
            ("triggerName", json!("meter")),
            ("tries", json!({"failed": 0, "lost": 0})),
            (
                "failure",
                json!({"reason": "function-failed", "message": "it threw \u{0}"}),
            ),
        ] {
            assert_eq!(letter[field], value, "{field}");
        }
        assert_eq!(letter["properties"]["contentType"], "text/plain");
        assert_eq!(
            letter["input"]["mqtt"]["properties"]["userProperties"][0],
            json!(["b", "2\u{0}"])
        );
        assert!(letter["created"].is_string() && letter["died"].is_string());

        let one = format!("/api/job/a/dead-letters/{}", ids[0]);
        assert_eq!(
            app.ask(Method::POST, &format!("{one}/redrive")).await.0,
            StatusCode::OK
        );
        assert_eq!(
            refused(app, Method::GET, &one).await,
            (404, "dead-letter-not-found".to_owned())
        );
        assert_eq!(
            app.ask(Method::DELETE, &format!("/api/job/a/dead-letters/{}", ids[1]))
                .await
                .0,
            StatusCode::OK
        );
        let counts = app.get("/api/job/a/queue").await;
        assert_eq!(
            (&counts["due"], &counts["claimed"], &counts["dead"]),
            (&json!(1), &json!(0), &json!(3))
        );
        assert!(
            counts["oldestDue"].is_string() && counts["bytes"].as_u64().unwrap() > 0,
            "{counts}"
        );
        let room = [Room { job, deliveries: 9 }];
        let claimed = queue(app)
            .claim(ServerId::generate(), &room, MOST, LEASE)
            .await
            .unwrap();
        assert_eq!(claimed[0].delivery.id, ids[0]);
        assert_eq!(app.get("/api/job/a/queue").await["claimed"], 1);
    });
}

#[test]
fn all_dead_letters_of_a_job_are_redriven_or_removed_at_once() {
    App::story(async |app| {
        let job = publish(app, &Package::new("a", "1")).await;
        let other = publish(app, &Package::new("b", "1")).await;
        keep_dead(app, other, 1).await;
        let many: Vec<NewDelivery> = (0..6_000).map(|_| dead(job)).collect();
        let mut binary = dead(other);
        binary.delivery.body = Bytes::from_static(b"\xff");
        queue(app).keep(&many).await.unwrap();
        queue(app).keep(&[due(job, 0), binary.clone()]).await.unwrap();

        let (status, body) = app.ask(Method::POST, "/api/job/a/dead-letters/redrive").await;
        assert_eq!(
            (status, &body["data"]),
            (StatusCode::OK, &json!({"count": 6_000}))
        );
        let counts = app.get("/api/job/a/queue").await;
        assert_eq!((&counts["due"], &counts["dead"]), (&json!(6_001), &json!(0)));
        let letter = app
            .get(&format!("/api/job/b/dead-letters/{}", binary.delivery.id))
            .await;
        assert_eq!((&letter["payload"], letter.get("text")), (&json!("/w=="), None));
        let (_, body) = app.ask(Method::DELETE, "/api/job/b/dead-letters").await;
        assert_eq!(body["data"], json!({"count": 2}));
        let counts = app.get("/api/job/b/queue").await;
        let nothing = json!({"due": 0, "claimed": 0, "dead": 0, "bytes": 0, "oldestDue": null});
        assert_eq!(counts, nothing);
    });
}

#[test]
fn what_is_asked_for_wrongly_is_told() {
    App::story(async |app| {
        let job = publish(app, &Package::new("a", "1")).await;
        publish(app, &Package::new("b", "1")).await;
        let id = keep_dead(app, job, 1).await[0];
        let bad = (400, "bad-request".to_owned());
        for wrong in [
            "dead-letters?limit=0",
            "dead-letters?limit=101",
            "dead-letters?limit=x",
            "dead-letters?before=yesterday",
            "dead-letters/x",
        ] {
            assert_eq!(
                refused(app, Method::GET, &format!("/api/job/a/{wrong}")).await,
                bad,
                "{wrong}"
            );
        }
        let none = (404, "dead-letter-not-found".to_owned());
        for (method, path) in [
            (Method::GET, format!("/api/job/b/dead-letters/{id}")),
            (Method::DELETE, format!("/api/job/b/dead-letters/{id}")),
            (Method::POST, format!("/api/job/b/dead-letters/{id}/redrive")),
            (
                Method::GET,
                format!("/api/job/a/dead-letters/{}", InvocationId::generate()),
            ),
        ] {
            assert_eq!(refused(app, method, &path).await, none, "{path}");
        }
        let no_job = (404, "job-not-found".to_owned());
        assert_eq!(
            refused(app, Method::GET, "/api/job/none/dead-letters").await,
            no_job
        );
        assert_eq!(refused(app, Method::GET, "/api/job/none/queue").await, no_job);
        let not_allowed = (405, "method-not-allowed".to_owned());
        assert_eq!(
            refused(app, Method::GET, "/api/job/a/dead-letters/redrive").await,
            not_allowed
        );
        assert_eq!(
            refused(app, Method::POST, "/api/job/a/dead-letters").await,
            not_allowed
        );
    });
}

#[test]
fn a_schedule_is_run_by_hand_and_shows_what_became_of_its_instants() {
    App::story(async |app| {
        let triggers = json!([
            {"type": "schedule", "name": "nightly run", "cron": "0 3 * * *", "overlap": "skip"},
            {"type": "http", "name": "page", "path": "/a"},
        ]);
        publish(app, &Package::new("a", "1").with("triggers", triggers)).await;
        let triggers = app.get("/api/job/a/triggers:current").await;
        let id = triggers[0]["id"].as_str().unwrap();
        let mut started: Vec<Value> = Vec::new();
        for trigger in [id, "nightly%20run", id] {
            let (status, body) = app
                .ask(Method::POST, &format!("/api/job/a/triggers/{trigger}/run"))
                .await;
            assert_eq!(status, StatusCode::ACCEPTED, "{body}");
            started.insert(0, body["data"]["invocationId"].clone());
        }
        let all = app.parts("/api/job/a/triggers/nightly%20run/fires?limit=2").await;
        assert_eq!(
            json!(all.iter().map(|fire| &fire["invocationId"]).collect::<Vec<_>>()),
            json!(started)
        );
        for fire in all {
            assert_eq!(
                (&fire["state"], &fire["manual"], &fire["instants"]),
                (&json!("fired"), &json!(true), &json!(1))
            );
        }
        assert_eq!(app.get("/api/job/a/queue").await["due"], 3);

        let run = async |trigger: &str| {
            refused(app, Method::POST, &format!("/api/job/a/triggers/{trigger}/run")).await
        };
        assert_eq!(run("page").await, (409, "not-a-schedule".to_owned()));
        assert_eq!(run("none").await, (404, "trigger-not-found".to_owned()));
        let fires = async |query: &str| {
            refused(app, Method::GET, &format!("/api/job/a/triggers/{query}"))
                .await
                .0
        };
        assert_eq!(fires("none/fires").await, 404);
        assert_eq!(fires(&format!("{id}/fires?limit=0")).await, 400);
        assert_eq!(fires(&format!("{id}/fires?until=1")).await, 400);

        publish(app, &Package::new("a", "2")).await;
        assert_eq!(run(id).await, (409, "trigger-not-active".to_owned()));
        let disabled = json!({"status": "disabled"});
        app.request(Method::PUT, "/api/job/a")
            .json(&disabled)
            .send()
            .await
            .unwrap();
        assert_eq!(run(id).await, (409, "job-disabled".to_owned()));
        assert_eq!(
            app.get(&format!("/api/job/a/triggers/{id}/fires"))
                .await
                .as_array()
                .unwrap()
                .len(),
            3
        );
    });
}

#[test]
fn queues_and_dead_letters_of_all_jobs_are_told_at_once() {
    App::story(async |app| {
        let (a, b) = (
            publish(app, &Package::new("a", "1")).await,
            publish(app, &Package::new("b", "1")).await,
        );
        publish(app, &Package::new("idle", "1")).await;
        let of_a = keep_dead(app, a, 2).await;
        let of_b = keep_dead(app, b, 1).await;
        queue(app).keep(&[due(b, 3_600)]).await.unwrap();

        for limit in [1, 100] {
            let queues = app.parts(&format!("/api/queues?limit={limit}")).await;
            let told: Vec<_> = queues
                .iter()
                .map(|queue| (&queue["name"], &queue["jobId"], &queue["dead"], &queue["due"]))
                .collect();
            let ids = [json!(a.to_string()), json!(b.to_string())];
            let (two, one, none) = (json!(2), json!(1), json!(0));
            let expected = [
                (&json!("a"), &ids[0], &two, &none),
                (&json!("b"), &ids[1], &one, &one),
            ];
            assert_eq!(told, expected);
            assert!(queues[0]["bytes"].as_u64().unwrap() > 0);

            let letters = app.parts(&format!("/api/dead-letters?limit={limit}")).await;
            let seen: Vec<_> = letters.iter().map(|letter| &letter["id"]).collect();
            assert_eq!(
                json!(seen),
                json!([&of_b[..], &of_a[..]].concat()),
                "the newest first"
            );
            assert_eq!(letters[0]["jobId"], json!(b.to_string()));
        }
        let only = app.parts(&format!("/api/dead-letters?jobId={a}&type=mqtt")).await;
        assert_eq!(only.len(), 2);

        let ada = user(app, "ada", everything()).await;
        let some = json!([
            line("allow", "job/a/dead-letters", &["read"]),
            line("allow", "job/b/queue", &["read"]),
        ]);
        let (_, token) = token(app, &ada, some).await;
        let ask = async |path: &str| {
            let request = app.stranger(Method::GET, path).bearer_auth(&token);
            request.send().await.unwrap().json::<Value>().await.unwrap()["data"].clone()
        };
        assert_eq!(ask("/api/dead-letters").await.as_array().unwrap().len(), 2);
        let queues = ask("/api/queues").await;
        assert_eq!(
            (queues.as_array().unwrap().len(), &queues[0]["name"]),
            (1, &json!("b"))
        );
    });
}
