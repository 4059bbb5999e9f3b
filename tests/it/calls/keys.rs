//! The same request, sent more than once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use jobber::store::{NewCall, RequestKey, Submitted};
use jobber_actors::domain::{InvocationId, JobId, TriggerId};
use jobber_actors::invocation::{HttpInput, TriggerRef};
use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::publish;
use crate::support::calls::{Calling, problem};
use crate::support::{App, Package, Publishing};

#[test]
fn a_request_that_comes_again_is_the_same_call() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let request = |key: &str, path: &str, body: &'static str| {
            app.later(Method::POST, path)
                .header("idempotency-key", key.to_owned())
                .body(body)
        };
        let all = (0..20).map(|_| app.accepted(request("one", "/f/count", "")));
        let mut locations = join_all(all).await;
        let location = locations[0].clone();
        locations.push(app.accepted(request("\"one\"", "/f/count", "")).await);
        locations.dedup();
        assert_eq!(locations, std::slice::from_ref(&location));
        assert_eq!(app.ended(&location).await["result"]["body"], "1");
        assert_eq!(
            app.accepted(request("one", "/f/count", "")).await,
            location,
            "also when it is done"
        );

        for other in [
            request("one", "/f/count", "other"),
            request("one", "/f/count?q=1", ""),
            request("one", "/f/echo", ""),
            app.later(Method::PUT, "/f/count")
                .header("idempotency-key", "one"),
        ] {
            let answer = other.send().await.unwrap();
            assert_eq!(problem(answer).await, (422, "idempotency-key-reused".to_owned()));
        }
        let second = app.accepted(request("two", "/f/count", "")).await;
        assert_eq!(app.ended(&second).await["result"]["body"], "2");

        // The key has had its time: it is as good as new.
        app.run_sql("update idempotency_keys set expires_at = now() where key like '%:one'")
            .await;
        let third = app.accepted(request("one", "/f/count", "")).await;
        assert_ne!(third, location);
        assert_eq!(app.ended(&third).await["result"]["body"], "3");
        for wrong in ["", "\"\"", &"k".repeat(256)] {
            let answer = request(wrong, "/f/count", "").send().await.unwrap();
            assert_eq!(problem(answer).await, (400, "bad-request".to_owned()), "{wrong}");
        }
    });
}

#[test]
fn keys_belong_to_a_job() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        app.publish(&Package::new("g", "1")).await;
        let request = |path: &str| app.later(Method::GET, path).header("idempotency-key", "same");
        let one = app.accepted(request("/f/echo")).await;
        let other = app.accepted(request("/g")).await;
        assert_ne!(one, other);
        assert_eq!(app.ended(&other).await["result"]["body"], "hello");
    });
}

#[test]
fn keys_belong_to_a_caller() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let request = |name: &'static str, value: &'static str| {
            app.later(Method::GET, "/f/echo")
                .header("idempotency-key", "same")
                .header(name, value)
        };
        let callers = [
            ("accept", "a"),
            ("authorization", "Bearer a"),
            ("authorization", "Bearer b"),
            ("cookie", "a"),
            ("x-api-key", "a"),
        ];
        let mut locations = std::collections::BTreeSet::new();
        for (name, value) in callers {
            let location = app.accepted(request(name, value)).await;
            assert_eq!(app.accepted(request(name, value)).await, location, "{name}");
            locations.insert(location);
        }
        assert_eq!(locations.len(), callers.len());
    });
}

pub(super) fn call(job: JobId, key: &str, fingerprint: u8) -> NewCall {
    NewCall {
        id: InvocationId::generate(),
        job,
        trigger: TriggerRef {
            id: TriggerId::generate(),
            name: Some(Arc::from("main")),
        },
        request: HttpInput {
            method: "POST".to_owned(),
            target: "/a".to_owned(),
            scheme: "http".into(),
            authority: "localhost".to_owned(),
            headers: vec![("a".to_owned(), "\0".to_owned())],
            params: std::collections::BTreeMap::new(),
            ip: [127, 0, 0, 1].into(),
            size: Some(1),
        },
        body: Bytes::from_static(b"\0"),
        key: Some(RequestKey {
            key: key.to_owned(),
            fingerprint: [fingerprint; 32],
        }),
        callback: None,
    }
}

/// Two servers on one database.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_that_get_the_same_request_at_the_same_moment_make_one_call() {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let (stop, stopped) = watch::channel(false);
    let mut work = JoinSet::new();
    let mut servers = Vec::new();
    for _ in 0..2 {
        let (calls, todo) = Calling::default()
            .calls(&publishing.db.database, &publishing.keys)
            .await;
        work.spawn(todo.run(stopped.clone()));
        servers.push(calls);
    }
    for round in 0..20_u8 {
        let key = format!("key {round}");
        let sent = (0..10).map(|place| {
            let new = call(job, &key, u8::from(place == 9));
            let (id, calls) = (new.id, &servers[place % 2]);
            async move {
                let room = calls.room(1).unwrap();
                (id, calls.submit(new, room).await.unwrap())
            }
        });
        let answers = join_all(sent).await;
        let made: Vec<InvocationId> = answers
            .iter()
            .filter(|(_, answer)| *answer == Submitted::Accepted)
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(made.len(), 1, "{answers:?}");
        let known = answers
            .iter()
            .filter(|(_, answer)| *answer == Submitted::Known(made[0]))
            .count();
        let refused = answers
            .iter()
            .filter(|(_, answer)| *answer == Submitted::KeyReused)
            .count();
        // The ninth is another request: it was either the first, or is refused.
        assert!(matches!((known, refused), (8, 1) | (0, 9)), "{answers:?}");
    }
    let rows = publishing
        .db
        .count("select count(*) from async_calls c join deliveries d using (id)")
        .await;
    assert_eq!(rows, 20);
    let gone = call(JobId::generate(), "key", 0);
    let room = servers[0].room(1).unwrap();
    assert_eq!(servers[0].submit(gone, room).await, Ok(Submitted::JobGone));
    stop.send_replace(true);
    while work.join_next().await.is_some() {}
}

#[test]
fn what_is_kept_long_enough_is_forgotten() {
    let mut calling = Calling::default();
    calling.limits.retention = Duration::ZERO;
    App::calling_story(calling, async |app| {
        publish(app).await;
        let store = jobber::store::CallStore::new(
            app.database.clone(),
            jobber::store::CallLimits {
                retention: Duration::ZERO,
                ..jobber::store::CallLimits::default()
            },
        );
        let keyed = app.later(Method::GET, "/f/echo").header("idempotency-key", "a");
        let (keyed, plain) = (
            app.accepted(keyed).await,
            app.accepted(app.later(Method::GET, "/f/echo")).await,
        );
        let waits = app.accepted(app.later(Method::GET, "/f/waits")).await;
        app.ended(&keyed).await;
        app.ended(&plain).await;
        assert_eq!(
            store.purge().await.unwrap(),
            1,
            "not what runs, and not what is known by its key"
        );
        let gone = app.gateway(Method::GET, &plain).send().await.unwrap();
        assert_eq!(problem(gone).await, (404, "not-found".to_owned()));
        assert_eq!(app.call_at(&keyed).await["state"], "succeeded");
        app.run_sql("update idempotency_keys set expires_at = now()")
            .await;
        assert_eq!(store.purge().await.unwrap(), 1);
        assert_eq!(app.call_at(&waits).await["ended"], json!(null));
        assert_eq!(
            app.gateway(Method::DELETE, &waits).send().await.unwrap().status(),
            200
        );
    });
}

#[test]
fn a_call_is_kept_as_long_as_its_dead_letter() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let store = jobber::store::CallStore::new(
            app.database.clone(),
            jobber::store::CallLimits {
                retention: Duration::ZERO,
                ..jobber::store::CallLimits::default()
            },
        );
        let location = app.accepted(app.later(Method::GET, "/f/throws")).await;
        app.ended(&location).await;
        assert_eq!(store.purge().await.unwrap(), 0, "it may be redriven");
        assert_eq!(app.call_at(&location).await["state"], "failed");
        let discarded = app.ask(Method::DELETE, "/api/job/f/dead-letters").await;
        assert!(discarded.0.is_success(), "{discarded:?}");
        assert_eq!(store.purge().await.unwrap(), 1);
    });
}
