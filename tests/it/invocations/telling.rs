//! What the admin API tells of invocations.

use chrono::{TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{publish, recorded};
use crate::support::App;

#[test]
fn what_became_of_an_invocation_is_told_with_its_input() {
    App::story(async |app| {
        publish(app).await;
        let client = jobber::outgoing::without_tls().build().unwrap();
        let throws = format!("{}/throws?token=open-sesame", app.gateway_url);
        let request = client.post(throws).header("authorization", "Bearer open-sesame");
        let response = request.body("bread").send().await.unwrap();
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-jobber-invocation"]
            .to_str()
            .unwrap()
            .to_owned();
        app.call("/answers").await;

        let records = recorded(app, "", 2).await;
        assert_eq!(records[0]["subject"], "GET /answers");
        assert_eq!(records[0]["status"], "succeeded");
        assert_eq!(records[0]["httpStatus"], 200);
        assert_eq!(records[0]["captured"], false);
        let peak = records[0]["peakMemoryBytes"].as_u64().unwrap();
        assert!(peak > 10_000_000, "a process of Node has more than {peak} bytes");
        let failed = &records[1];
        assert_eq!((&failed["id"], &failed["status"]), (&json!(id), &json!("failed")));
        let error = json!({ "code": "function-failed", "name": "TypeError", "message": "no bread today" });
        assert_eq!((&failed["error"], &failed["inputBytes"]), (&error, &json!(5)));

        let opened = app.get(&format!("/api/invocations/{id}")).await;
        assert_eq!(opened["attempts"].as_array().unwrap().len(), 1);
        let timeline = opened["timeline"].as_array().unwrap();
        let moments: Vec<_> = timeline
            .iter()
            .map(|moment| moment["what"].as_str().unwrap())
            .collect();
        assert_eq!(moments, ["queued", "started", "failed"]);
        let payload = &opened["payload"];
        assert_eq!(payload["inputBody"]["text"], "bread");
        assert_eq!(payload["input"]["http"]["target"], "/throws?token=[redacted]");
        let headers = payload["input"]["http"]["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["authorization", "[redacted]"])));
        assert!(!opened.to_string().contains("open-sesame"), "{opened}");
        assert!(opened["logs"].as_str().unwrap().contains(&id));
    });
}

#[test]
fn invocations_are_found_by_what_is_known_of_them() {
    App::story(async |app| {
        publish(app).await;
        for path in ["/answers", "/throws", "/answers", "/throws", "/answers"] {
            app.call(path).await;
            // Ids and filters tell milliseconds apart, no less.
            let now = || Utc::now().timestamp_millis();
            let called = now();
            while now() == called {
                tokio::task::yield_now().await;
            }
        }
        let all = recorded(app, "", 5).await;
        let version = all[0]["versionId"].as_str().unwrap();
        let trigger = all[0]["triggerId"].as_str().unwrap();
        let middle = all[2]["id"].as_str().unwrap();
        let made = Uuid::parse_str(middle)
            .unwrap()
            .get_timestamp()
            .unwrap()
            .to_unix();
        let made = chrono::DateTime::from_timestamp(made.0.try_into().unwrap(), made.1).unwrap();
        let time = |time: chrono::DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        for (parameters, count) in [
            ("&status=failed".to_owned(), 2),
            ("&status=failed,succeeded".to_owned(), 5),
            ("&status=lost".to_owned(), 0),
            ("&type=http".to_owned(), 5),
            ("&type=mqtt".to_owned(), 0),
            (format!("&versionId={version}"), 5),
            (format!("&triggerId={trigger}"), 3),
            ("&text=TODAY".to_owned(), 2),
            ("&text=%25".to_owned(), 0),
            ("&longerThan=60000".to_owned(), 0),
            ("&shorterThan=60000".to_owned(), 5),
            (format!("&from={}", time(made + TimeDelta::milliseconds(1))), 2),
            (format!("&to={}", time(made)), 2),
        ] {
            assert_eq!(
                recorded(app, &parameters, count).await.len(),
                count,
                "{parameters}"
            );
        }
        let parts = app.parts("/api/invocations?limit=2&sort=made").await;
        let ids = |records: &[Value]| records.iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
        let mut oldest_first = ids(&all);
        oldest_first.reverse();
        assert_eq!(ids(&parts), oldest_first);
        for (path, parameter) in [
            ("/api/invocations?status=lucky", "/status"),
            ("/api/invocations?state=failed", "/state"),
            ("/api/invocations?from=now", "/from"),
        ] {
            let (status, body) = app.ask(Method::GET, path).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {body}");
            assert_eq!(body["errors"][0]["pointer"], parameter, "{body}");
        }
    });
}
