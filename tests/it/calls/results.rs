//! From a request to its result.

use std::time::{Duration, Instant};

use jobber::store::{CallLimits, CallStore, StoredState};
use reqwest::Method;
use serde_json::json;

use super::{package, publish, until_stored};
use crate::support::calls::{Calling, problem};
use crate::support::{App, Package, Publishing, eventually};

#[test]
fn a_request_is_accepted_now_and_answered_later() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let request = app.later(Method::POST, "/f/echo?q=1").body("héllo");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 202);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("preference-applied"), "respond-async");
        let (location, id) = (header("location"), header("x-jobber-invocation"));
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body, json!({"id": id, "state": "queued", "location": location}));
        assert!(
            location.starts_with(&format!("/_jobber/invocations/{id}.")),
            "{location}"
        );

        let call = app.ended(&location).await;
        assert_eq!(
            (&call["state"], &call["attempts"], &call["id"]),
            (&json!("succeeded"), &json!(1), &json!(id))
        );
        assert!(call["created"].is_string() && call["ended"].is_string());
        let result = &call["result"];
        assert_eq!(
            (&result["status"], &result["encoding"]),
            (&json!(201), &json!("utf-8"))
        );
        let cookies = result["headers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|field| field[0] == "set-cookie");
        assert_eq!(cookies.count(), 2);
        let answer: serde_json::Value = serde_json::from_str(result["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&answer["method"], &answer["query"], &answer["body"]),
            (&json!("POST"), &json!("1"), &json!("héllo"))
        );

        let raw = app
            .gateway(Method::GET, &format!("{location}/result"))
            .send()
            .await
            .unwrap();
        assert_eq!(
            (raw.status().as_u16(), raw.headers()["x-answer"].to_str().unwrap()),
            (201, "yes")
        );
        assert_eq!(raw.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(raw.json::<serde_json::Value>().await.unwrap(), answer);
        let head = app
            .gateway(Method::HEAD, &format!("{location}/result"))
            .send()
            .await
            .unwrap();
        assert_eq!(head.status(), 201);
    });
}

#[test]
fn without_a_preference_nothing_is_kept_and_with_jobbers_own_header_it_is() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let direct = app
            .gateway(Method::GET, "/f/echo")
            .header("x-jobber-async", "0")
            .send()
            .await
            .unwrap();
        assert_eq!(direct.status(), 201);
        assert_eq!(app.count("select count(*) from async_calls").await, 0);
        let later = app.gateway(Method::GET, "/f/echo").header("x-jobber-async", "1");
        let response = later.send().await.unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers().get("preference-applied")
            ),
            (202, None)
        );
    });
}

#[test]
fn a_trace_goes_on_and_the_callbacks_address_stays_here() {
    let calling = Calling {
        allowed: "127.0.0.1",
        ..Calling::default()
    };
    App::calling_story(calling, async |app| {
        publish(app).await;
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let request = app
            .later(Method::GET, "/f/echo")
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
        let location = app
            .accepted(request.header("x-jobber-callback", "http://127.0.0.1:9/"))
            .await;
        let call = app.ended(&location).await;
        let answer: serde_json::Value =
            serde_json::from_str(call["result"]["body"].as_str().unwrap()).unwrap();
        let traces = answer["traces"].as_str().unwrap();
        assert!(
            traces.contains(trace) && !traces.contains("00f067aa0ba902b7"),
            "{traces}"
        );
        assert_eq!(traces.matches(trace).count(), 1, "{traces}");
        assert_eq!(answer["callback"], json!(null));
    });
}

#[test]
fn an_answer_of_any_status_is_a_result_and_an_error_is_tried_again_as_the_package_says() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let broken = app.accepted(app.later(Method::GET, "/f/broken")).await;
        let third = app.accepted(app.later(Method::GET, "/f/third")).await;
        let throws = app.accepted(app.later(Method::GET, "/f/throws")).await;

        let call = app.ended(&broken).await;
        assert_eq!(
            (&call["state"], &call["result"]["status"], &call["attempts"]),
            (&json!("succeeded"), &json!(503), &json!(1))
        );
        let call = app.ended(&third).await;
        assert_eq!(
            (&call["state"], &call["result"]["body"], &call["attempts"]),
            (&json!("succeeded"), &json!("3"), &json!(3))
        );
        let call = app.ended(&throws).await;
        assert_eq!(
            (&call["state"], &call["attempts"], &call["error"]["code"]),
            (&json!("failed"), &json!(3), &json!("function-failed"))
        );
        assert!(!call.to_string().contains("a secret of the function"), "{call}");
        let raw = app
            .gateway(Method::GET, &format!("{throws}/result"))
            .send()
            .await
            .unwrap();
        assert_eq!(problem(raw).await, (500, "function-failed".to_owned()));
        // A person may have it tried again: then it is under way again.
        let letters = app.get("/api/job/f/dead-letters").await;
        assert_eq!(letters[0]["type"], "http");
        let redrive = format!(
            "/api/job/f/dead-letters/{}/redrive",
            letters[0]["id"].as_str().unwrap()
        );
        assert_eq!(app.ask(Method::POST, &redrive).await.0, 200);
        eventually("it has ended once more", async || {
            let twice = "select count(*) from async_calls where endings = 2";
            (app.count(twice).await == 1).then_some(())
        })
        .await;
        assert_eq!(app.ended(&throws).await["error"]["code"], "function-failed");
    });
}

#[test]
fn nobody_reads_a_call_without_its_address() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let location = app.accepted(app.later(Method::GET, "/f/echo")).await;
        app.ended(&location).await;
        let (id, token) = location.rsplit_once('.').unwrap();
        let first = if token.starts_with('A') { 'B' } else { 'A' };
        let wrong = format!("{id}.{first}{}", &token[1..]);
        let other = format!("/_jobber/invocations/018f3a5e-7f4e-7c3a-9b0a-0123456789ab.{token}");
        let mut bodies = Vec::new();
        for path in [
            id,
            &wrong,
            &other,
            &format!("{wrong}/result"),
            "/_jobber/invocations/",
        ] {
            for method in [Method::GET, Method::DELETE] {
                let answer = app.gateway(method, path).send().await.unwrap();
                assert_eq!(answer.status(), 404, "{path}");
                let mut body: serde_json::Value = answer.json().await.unwrap();
                body["invocation"] = json!(null);
                bodies.push(body);
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        let put = app.gateway(Method::PUT, &location).send().await.unwrap();
        assert_eq!(put.headers()["allow"], "GET, HEAD, DELETE");
        assert_eq!(put.status(), 405);
    });
}

#[test]
fn a_call_that_waits_or_runs_is_cancelled_and_one_that_ended_is_not() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let running = app.accepted(app.later(Method::GET, "/f/waits")).await;
        until_stored(app, "begun").await;
        assert_eq!(app.call_at(&running).await["state"], "running");
        let raw = app
            .gateway(Method::GET, &format!("{running}/result"))
            .send()
            .await
            .unwrap();
        assert_eq!(problem(raw).await, (409, "call-not-ended".to_owned()));
        let begun = Instant::now();
        let waited = app.call_at(&format!("{running}?wait=300ms")).await;
        assert!(waited["state"] == "running" && begun.elapsed() >= Duration::from_millis(300));

        let cancelled = app.gateway(Method::DELETE, &running).send().await.unwrap();
        assert_eq!(cancelled.status(), 200);
        assert_eq!(
            cancelled.json::<serde_json::Value>().await.unwrap()["state"],
            "cancelled"
        );
        until_stored(app, "aborted").await;
        assert_eq!(app.call_at(&running).await["state"], "cancelled");
        let raw = app
            .gateway(Method::GET, &format!("{running}/result"))
            .send()
            .await
            .unwrap();
        assert_eq!(problem(raw).await, (410, "call-cancelled".to_owned()));
        let done = app.accepted(app.later(Method::GET, "/f/echo")).await;
        app.ended(&done).await;
        for location in [running, done] {
            let again = app.gateway(Method::DELETE, &location).send().await.unwrap();
            assert_eq!(problem(again).await, (409, "call-ended".to_owned()));
        }
    });
}

#[test]
fn a_call_that_waits_for_its_next_attempt_is_cancelled() {
    App::calling_story(Calling::default(), async |app| {
        let retries = json!({"runnerMinCount": 0, "retries": {"max": 1, "backoff": 600}});
        let (status, _) = app.publish(&package().with("action", retries)).await;
        assert_eq!(status, 200);
        let location = app.accepted(app.later(Method::GET, "/f/throws")).await;
        let waits = eventually("it has failed once", async || {
            let call = app.call_at(&location).await;
            (call["attempts"] == 1 && call["state"] == "queued").then_some(call)
        });
        assert_eq!(waits.await["ended"], json!(null));
        assert_eq!(
            app.gateway(Method::DELETE, &location)
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
        assert_eq!(app.call_at(&location).await["state"], "cancelled");
        assert_eq!(app.count("select count(*) from deliveries").await, 0);
    });
}

#[test]
fn whoever_waits_hears_of_the_end_at_once() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let location = app.accepted(app.later(Method::GET, "/f/waits")).await;
        until_stored(app, "begun").await;
        let waiting = async {
            let begun = Instant::now();
            let call = app.call_at(&format!("{location}?wait=20s")).await;
            (call["state"].clone(), begun.elapsed())
        };
        let cancelling = async {
            eventually("somebody waits", async || (app.waiters() == 1).then_some(())).await;
            app.gateway(Method::DELETE, &location).send().await.unwrap();
        };
        let ((state, took), ()) = tokio::join!(waiting, cancelling);
        assert_eq!(state, "cancelled");
        assert!(took < Duration::from_secs(10), "{took:?}");
        for wrong in ["wait=forever", "wait=-1"] {
            let answer = app
                .gateway(Method::GET, &format!("{location}?{wrong}"))
                .send()
                .await
                .unwrap();
            assert_eq!(problem(answer).await, (400, "bad-request".to_owned()));
        }
    });
}

#[test]
fn a_dead_letter_shows_no_credentials_and_keeps_them() {
    App::calling_story(Calling::default(), async |app| {
        publish(app).await;
        let request = app
            .later(Method::GET, "/f/throws?token=hush")
            .header("authorization", "Bearer hush")
            .header("cookie", "session=hush");
        let location = app.accepted(request).await;
        app.ended(&location).await;
        let letters = app.get("/api/job/f/dead-letters").await;
        let path = format!("/api/job/f/dead-letters/{}", letters[0]["id"].as_str().unwrap());
        for shown in [letters.to_string(), app.get(&path).await.to_string()] {
            assert!(shown.contains("[redacted]") && !shown.contains("hush"), "{shown}");
        }
        let kept =
            "select count(*) from deliveries where state = 'dead' and input::text like '%Bearer hush%'";
        assert_eq!(app.count(kept).await, 1, "for the next attempt");
    });
}

/// Nobody passes on what the database says: a notification that is missed.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waited_is_told_how_it_stands_then() {
    let publishing = Publishing::new().await;
    let job = publishing.publish(&Package::new("a", "1")).await.unwrap().job_id;
    let (calls, _nobody_works) = Calling::default()
        .calls(&publishing.db.database, &publishing.keys)
        .await;
    let store = CallStore::new(publishing.db.database.clone(), CallLimits::default());
    let new = super::keys::call(job, "key", 0);
    let id = new.id;
    store.submit(&[new]).await.unwrap();
    let ending = async {
        eventually("somebody waits", async || (calls.waiters() == 1).then_some(())).await;
        // Begun after the look at the beginning.
        store.find(id, false).await.unwrap();
        store.cancel(id).await.unwrap();
    };
    let (waited, ()) = tokio::join!(calls.wait(id, Duration::from_secs(2)), ending);
    assert_eq!(waited.unwrap().unwrap().state, StoredState::Cancelled);
}
