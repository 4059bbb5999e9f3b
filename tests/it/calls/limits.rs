//! What is too much, and a database that is away.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::publish;
use crate::support::calls::{Calling, problem};
use crate::support::{App, BreakablePostgres, eventually};

#[test]
fn bodies_are_taken_up_to_the_limit() {
    let mut calling = Calling::default();
    calling.config.max_body = 10_000;
    App::calling_story(calling, async |app| {
        publish(app).await;
        let whole = app.later(Method::POST, "/f/echo").body(vec![b'a'; 10_000]);
        assert_eq!(app.ended(&app.accepted(whole).await).await["state"], "succeeded");
        let large = app.later(Method::POST, "/f/echo").body(vec![b'a'; 10_001]);
        assert_eq!(
            problem(large.send().await.unwrap()).await,
            (413, "body-too-large".to_owned())
        );
        let chunks = |count: usize| {
            let chunks = (0..count).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 1_000]));
            reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
        };
        let streamed = app.later(Method::POST, "/f/echo").body(chunks(10));
        let call = app.ended(&app.accepted(streamed).await).await;
        assert!(
            call["result"]["body"]
                .as_str()
                .unwrap()
                .contains(&"a".repeat(10_000))
        );
        let large = app.later(Method::POST, "/f/echo").body(chunks(11));
        assert_eq!(
            problem(large.send().await.unwrap()).await,
            (413, "body-too-large".to_owned())
        );
        // Ordinary calls have a limit of their own.
        let direct = app.gateway(Method::POST, "/f/echo").body(vec![b'a'; 20_000]);
        assert_eq!(direct.send().await.unwrap().status(), 201);
    });
}

#[test]
fn results_are_kept_up_to_the_limit() {
    let calling = Calling {
        max_result: 200_000,
        ..Calling::default()
    };
    App::calling_story(calling, async |app| {
        publish(app).await;
        for (path, state) in [
            ("/f/bytes?n=200000", "succeeded"),
            ("/f/bytes?n=200001", "failed"),
            ("/f/stream?n=200", "succeeded"),
            ("/f/stream?n=201", "failed"),
            ("/f/bytes?n=10&b=%C3%BF", "succeeded"),
        ] {
            let location = app.accepted(app.later(Method::GET, path)).await;
            let call = app.ended(&location).await;
            assert_eq!(call["state"], state, "{path}");
            let raw = app
                .gateway(Method::GET, &format!("{location}/result"))
                .send()
                .await
                .unwrap();
            if state == "failed" {
                assert_eq!(
                    (&call["error"]["code"], &call["attempts"]),
                    (&json!("response-too-large"), &json!(1))
                );
                assert_eq!(problem(raw).await, (500, "invalid-response".to_owned()));
            } else {
                assert!(raw.bytes().await.unwrap().len() <= 200_000);
            }
        }
    });
}

#[test]
fn a_job_has_only_so_many_calls_waiting_and_its_messages_have_their_own_place() {
    let mut calling = Calling::default();
    calling.limits.waiting = 3;
    App::calling_story(calling, async |app| {
        publish(app).await;
        for _ in 0..3 {
            let request = app.later(Method::GET, "/f/waits").header("idempotency-key", "");
            drop(request);
            app.accepted(app.later(Method::GET, "/f/waits")).await;
        }
        let fourth = app.later(Method::GET, "/f/waits").send().await.unwrap();
        assert!(fourth.headers().contains_key("retry-after"));
        assert_eq!(problem(fourth).await, (429, "queue-full".to_owned()));
        assert_eq!(app.count("select calls from delivery_usage").await, 3);
        assert_eq!(
            app.count("select count(*) from async_calls").await,
            3,
            "nothing half-done"
        );
    });
}

#[test]
fn clients_that_wait_are_limited() {
    let mut calling = Calling::default();
    calling.config.max_waiters = 1;
    calling.config.max_wait = Duration::from_millis(500);
    App::calling_story(calling, async |app| {
        publish(app).await;
        let location = app.accepted(app.later(Method::GET, "/f/waits")).await;
        let path = format!("{location}?wait=1h");
        let bad = app.gateway(Method::GET, &path).send().await.unwrap();
        assert_eq!(bad.status(), 400);
        let path = format!("{location}?wait=60m");
        let ask = async || app.gateway(Method::GET, &path).send().await.unwrap();
        let (one, other) = tokio::join!(ask(), ask());
        let mut statuses = [one.status().as_u16(), other.status().as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 503]);
        assert_eq!(ask().await.status(), 200, "the place is free again");
    });
}

#[test]
fn while_postgres_is_away_calls_are_refused_and_direct_ones_go_on() {
    actix_rt::System::new().block_on(async {
        let mut postgres = BreakablePostgres::start().await;
        let app = App::calling_on(postgres.database().await, Calling::default()).await;
        publish(&app).await;
        let before = app.accepted(app.later(Method::GET, "/f/echo")).await;
        app.ended(&before).await;
        postgres.stop().await;
        for request in [
            app.later(Method::POST, "/f/echo")
                .header("idempotency-key", "a")
                .body("b"),
            app.gateway(Method::GET, &before),
            app.gateway(Method::DELETE, &before),
        ] {
            let answer = request.send().await.unwrap();
            assert!(answer.headers().contains_key("retry-after"));
            assert_eq!(problem(answer).await, (503, "calls-unavailable".to_owned()));
        }
        let stranger = app
            .gateway(Method::GET, "/_jobber/invocations/nothing")
            .send()
            .await
            .unwrap();
        assert_eq!(stranger.status(), 404, "a wrong address needs no database");
        assert_eq!(app.call("/f/echo").await.0, 201);
        postgres.start_again().await;
        let location = eventually("calls are accepted again", async || {
            let request = app
                .later(Method::POST, "/f/echo")
                .header("idempotency-key", "a")
                .body("b");
            let response = request.send().await.unwrap();
            let location = response.headers().get("location").cloned();
            location.map(|location| location.to_str().unwrap().to_owned())
        })
        .await;
        assert_eq!(app.ended(&location).await["state"], "succeeded");
        assert_eq!(app.call_at(&before).await["state"], "succeeded");
        app.stop().await;
    });
}
