//! Results that are posted.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jobber::callbacks::{Manners, NameResolver, Signature};
use jobber::store::{CallLimits, CallStore};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use super::publish;
use crate::support::calls::{Calling, Received, Receiver, problem};
use crate::support::{App, Package, Publishing, eventually};

fn to_this_machine() -> Calling {
    Calling {
        allowed: "127.0.0.0/8",
        ..Calling::default()
    }
}

fn assert_signed(received: &Received, secret: &str) {
    let timestamp: i64 = received.headers["webhook-timestamp"].parse().unwrap();
    assert!((chrono::Utc::now().timestamp() - timestamp).abs() < 60);
    let secret = SecretString::from(secret);
    let expected = Signature::of(
        &received.headers["webhook-id"],
        timestamp,
        &received.body,
        [&secret],
    )
    .unwrap();
    let signatures: Vec<_> = received.headers["webhook-signature"].split(' ').collect();
    assert!(signatures.contains(&expected.as_str()), "{signatures:?}");
}

#[test]
fn a_result_is_posted_and_signed() {
    App::calling_story(to_this_machine(), async |app| {
        publish(app).await;
        let receiver = Receiver::start();
        let call = |path: &str| {
            app.later(Method::POST, path)
                .header("x-jobber-callback", receiver.url())
        };
        let location = app.accepted(call("/f/echo").body("b")).await;
        let received = receiver.until(1).await.remove(0);
        let told = received.json();
        let found = app.call_at(&location).await;
        assert_eq!(told["type"], "invocation.succeeded");
        assert_eq!(
            (&told["data"]["id"], &told["data"]["result"]),
            (&found["id"], &found["result"])
        );
        assert_eq!(told["timestamp"], found["ended"]);
        assert!(
            told["data"].get("location").is_none(),
            "its address is its caller's only"
        );
        assert_eq!(
            (received.path.as_str(), received.headers["content-type"].as_str()),
            ("/hook", "application/json")
        );
        assert_eq!(json!(received.headers["webhook-id"]), found["id"]);
        let secret = app.get("/api/job/f/callback-secret").await;
        assert_signed(&received, secret["secret"].as_str().unwrap());

        // For a day both secrets are good.
        let (status, rotated) = app.ask(Method::POST, "/api/job/f/callback-secret/rotate").await;
        assert_eq!(status, 200);
        assert!(rotated["data"]["secret"] != secret["secret"] && rotated["data"]["formerUntil"].is_string());
        app.accepted(call("/f/throws")).await;
        let received = receiver.until(2).await.remove(1);
        assert_eq!(
            (
                &received.json()["type"],
                &received.json()["data"]["error"]["code"]
            ),
            (&json!("invocation.failed"), &json!("function-failed"))
        );
        assert_signed(&received, secret["secret"].as_str().unwrap());
        assert_signed(&received, rotated["data"]["secret"].as_str().unwrap());
        let dump = app.dump().await;
        assert!(!dump.contains(secret["secret"].as_str().unwrap()), "it is sealed");
        let delivered = "select count(*) from async_calls where callback_state = 'delivered'";
        eventually("both are delivered", async || {
            (app.count(delivered).await == 2).then_some(())
        })
        .await;
    });
}

#[test]
fn a_cancelled_call_is_told_too() {
    App::calling_story(to_this_machine(), async |app| {
        publish(app).await;
        let receiver = Receiver::start();
        let request = app
            .later(Method::GET, "/f/waits")
            .header("x-jobber-callback", receiver.url());
        let location = app.accepted(request).await;
        assert_eq!(
            app.gateway(Method::DELETE, &location)
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
        assert_eq!(receiver.until(1).await[0].json()["type"], "invocation.cancelled");
    });
}

#[test]
fn a_callback_is_sent_again_until_it_is_taken_and_not_for_ever() {
    let calling = Calling {
        manners: Manners {
            attempts: 3,
            timeout: Duration::from_secs(10),
        },
        ..to_this_machine()
    };
    App::calling_story(calling, async |app| {
        publish(app).await;
        let (receiver, other) = (Receiver::start(), Receiver::start());
        let soon = "update async_calls set callback_due_at = now() where callback_state = 'pending' and callback_tries = ";
        receiver.answer_next(500, None);
        receiver.answer_next(302, Some(other.url()));
        let request = app
            .later(Method::GET, "/f/echo")
            .header("x-jobber-callback", receiver.url());
        app.accepted(request).await;
        for tries in 1..=2 {
            receiver.until(tries).await;
            let waits = format!(
                "select count(*) from async_calls where callback_error is not null and callback_tries = {tries}
                 and callback_due_at > now() + interval '2 seconds'"
            );
            eventually("it waits for the next attempt", async || {
                (app.count(&waits).await == 1).then_some(())
            })
            .await;
            app.run_sql(&format!("{soon}{tries}")).await;
            app.look_for_calls();
        }
        let received = receiver.until(3).await;
        let ids: Vec<_> = received
            .iter()
            .map(|received| &received.headers["webhook-id"])
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert!(other.received().is_empty(), "redirects are not followed");

        receiver.answer_next(410, None);
        let request = app
            .later(Method::GET, "/f/echo")
            .header("x-jobber-callback", receiver.url());
        app.accepted(request).await;
        let given_up = "select count(*) from async_calls where callback_state = 'given-up'";
        eventually("nobody wants it", async || {
            (app.count(given_up).await == 1).then_some(())
        })
        .await;
        assert_eq!(receiver.received().len(), 4);
    });
}

#[test]
fn a_host_that_is_not_allowed_is_refused_at_once() {
    let refused = |allowed: &'static str, url: &'static str, expected: (u16, &'static str)| {
        let calling = Calling {
            allowed,
            ..Calling::default()
        };
        App::calling_story(calling, async |app| {
            publish(app).await;
            let request = app
                .later(Method::POST, "/f/echo")
                .header("x-jobber-callback", url)
                .body("b");
            let answer = request.send().await.unwrap();
            assert_eq!(
                problem(answer).await,
                (expected.0, expected.1.to_owned()),
                "{url}"
            );
            assert_eq!(app.count("select count(*) from async_calls").await, 0);
        });
    };
    refused("", "http://127.0.0.1:1/", (403, "callback-not-allowed"));
    refused("localhost", "http://localhost:1/", (403, "callback-not-allowed"));
    refused(
        "*",
        "http://169.254.169.254/latest/meta-data",
        (403, "callback-not-allowed"),
    );
    refused("*", "file:///etc/passwd", (400, "bad-request"));
}

/// Leads to one place when the request comes, and to another when its result is to be posted.
struct Rebinding {
    asked: AtomicUsize,
}

#[async_trait]
impl NameResolver for Rebinding {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let first = self.asked.fetch_add(1, Ordering::SeqCst) == 0;
        let public: IpAddr = [93, 184, 216, 34].into();
        let inner: IpAddr = [127, 0, 0, 1].into();
        Ok(vec![if first { public } else { inner }])
    }
}

#[test]
fn a_name_that_leads_somewhere_else_later_is_not_followed() {
    let names = Arc::new(Rebinding {
        asked: AtomicUsize::new(0),
    });
    let calling = Calling {
        allowed: "hooks.example.com",
        names: Arc::clone(&names) as _,
        ..Calling::default()
    };
    App::calling_story(calling, async |app| {
        publish(app).await;
        let receiver = Receiver::start();
        let url = format!("http://hooks.example.com:{}/", receiver.address.port());
        let request = app.later(Method::GET, "/f/echo").header("x-jobber-callback", url);
        let location = app.accepted(request).await;
        app.ended(&location).await;
        let tried = "select count(*) from async_calls where callback_error like '%may not go to%'";
        eventually("it is not sent", async || {
            (app.count(tried).await == 1).then_some(())
        })
        .await;
        assert_eq!(
            names.asked.load(Ordering::SeqCst),
            2,
            "what is connected to is what was checked"
        );
        assert!(receiver.received().is_empty());
    });
}

#[tokio::test]
async fn a_job_has_only_so_many_callbacks_on_their_way() {
    let publishing = Publishing::new().await;
    let mut jobs = Vec::new();
    for name in ["a", "b", "c"] {
        let job = publishing.publish(&Package::new(name, "1")).await.unwrap().job_id;
        let due = format!(
            "insert into async_calls (id, job_id, ending, ended_at, endings, callback_url, callback_state, callback_due_at)
             select gen_random_uuid(), '{job}', 'cancelled', now(), 1, 'http://localhost/', 'pending', now()
             from generate_series(1, 20)"
        );
        publishing.db.client().await.batch_execute(&due).await.unwrap();
        jobs.push(job);
    }
    let store = CallStore::new(publishing.db.database.clone(), CallLimits::default());
    let under_way = [(jobs[0], 7), (jobs[1], 8)];
    let lease = Duration::from_secs(60);
    let claimed = store.claim_callbacks(60, &under_way, 8, lease).await.unwrap();
    let of = |job| claimed.iter().filter(|callback| callback.job == job).count();
    assert_eq!([of(jobs[0]), of(jobs[1]), of(jobs[2])], [1, 0, 8]);
}
