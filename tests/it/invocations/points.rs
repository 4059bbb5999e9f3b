//! Many invocations as points of a chart.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{publish, recorded};
use crate::access::{everything, line, token, user};
use crate::support::App;

/// How many attempts there are, made over the first hour of today: every fiftieth failed, and the 1234th took ten minutes.
const MADE: usize = 20_000;

/// Rows as the server writes them.
async fn fill(app: &App, job: &str) {
    app.run_sql(&format!(
        "select make_daily_partition('invocations', (now() at time zone 'utc')::date);
         insert into invocations (id, attempt, job_id, trigger_id, kind, subject, status, queued_at, ended_at, server_id, captured)
         select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8'
                    || lpad(to_hex(n::bigint), 15, '0'))::uuid,
                1, '{job}', gen_random_uuid(), 'http', 'GET /' || n, case when n % 50 = 7 then 'failed' else 'succeeded' end, at,
                at + case when n = 1234 then interval '10 minutes' else (n % 100) * interval '1 millisecond' end,
                gen_random_uuid(), false
         from (select n, date_trunc('day', now() at time zone 'utc') at time zone 'utc' + interval '1 hour' * (n::float8 / {MADE}) as at
               from generate_series(1, {MADE}) n) made"
    ))
    .await;
}

/// Of each point: when, how long, how it ended.
fn points(told: &Value) -> Vec<(i64, f64, String)> {
    let column = |name: &str| told[name].as_array().unwrap().clone();
    let statuses = column("statuses");
    let rest = column("durationMs").into_iter().zip(column("status"));
    let points = column("at").into_iter().zip(rest);
    points
        .map(|(at, (duration, status))| {
            let status = &statuses[usize::try_from(status.as_u64().unwrap()).unwrap()];
            let status = status.as_str().unwrap().to_owned();
            (at.as_i64().unwrap(), duration.as_f64().unwrap(), status)
        })
        .collect()
}

#[test]
fn few_invocations_are_all_points() {
    App::story(async |app| {
        publish(app).await;
        for path in ["/answers", "/throws", "/answers"] {
            app.call(path).await;
        }
        let records = recorded(app, "", 3).await;
        let told = app.get("/api/job/shop/invocations/points").await;
        assert_eq!(
            (&told["total"], &told["more"], &told["sampled"]),
            (&json!(3), &json!(false), &json!(false))
        );
        let found = points(&told);
        for (point, record) in found.iter().zip(records.iter().rev()) {
            assert_eq!(json!(point.2), record["status"]);
            assert!((point.1 - record["durationMs"].as_f64().unwrap()).abs() < 0.01);
        }
        assert_eq!(found.len(), 3);
        let failed = app.get("/api/invocations/points?status=failed").await;
        assert_eq!((&failed["total"], points(&failed)[0].0), (&json!(1), 0));
        let none = app.get("/api/invocations/points?text=nosuch").await;
        assert_eq!((&none["total"], points(&none).len()), (&json!(0), 0));
    });
}

#[test]
fn of_many_invocations_a_sample_keeps_what_stands_out() {
    App::story(async |app| {
        publish(app).await;
        let job = app.get("/api/job/shop").await["id"].as_str().unwrap().to_owned();
        fill(app, &job).await;
        let told = app.get("/api/job/shop/invocations/points").await;
        assert_eq!((&told["total"], &told["sampled"]), (&json!(MADE), &json!(true)));
        let found = points(&told);
        assert!((1_000..2_600).contains(&found.len()), "{} points", found.len());
        assert!(found.is_sorted_by_key(|(at, _, _)| *at));
        let longest = found.iter().map(|(_, duration, _)| *duration).fold(0.0, f64::max);
        assert!(
            (longest - 600_000.0).abs() < 0.01,
            "the slowest is there: {longest}"
        );
        // Of 400 failures most are there, although one in ten of all is.
        let failed = found.iter().filter(|(_, _, status)| status == "failed").count();
        assert!((250..=400).contains(&failed), "{failed} failures");
        for part in 0..10 {
            let minutes = part * 360_000..(part + 1) * 360_000;
            let there = found.iter().filter(|(at, _, _)| minutes.contains(at)).count();
            assert!((80..350).contains(&there), "{there} points in part {part}");
        }
        let again = app.get("/api/job/shop/invocations/points").await;
        assert_eq!(points(&again), found, "the same ones");

        // A closer look has all that the wide one left out.
        let begin: chrono::DateTime<chrono::Utc> = told["from"].as_str().unwrap().parse().unwrap();
        let time = |minutes| {
            let time = begin + chrono::TimeDelta::minutes(minutes);
            time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        };
        let zoom = format!(
            "/api/job/shop/invocations/points?from={}&to={}",
            time(10),
            time(12)
        );
        let closer = app.get(&zoom).await;
        assert_eq!(closer["sampled"], false, "{}", closer["total"]);
        assert!((600..=700).contains(&points(&closer).len()));
        let slow = app
            .get("/api/job/shop/invocations/points?longerThan=98&status=succeeded")
            .await;
        assert!(points(&slow).iter().all(|(_, duration, _)| *duration >= 98.0));
    });
}

#[test]
fn points_are_for_those_who_may_read_the_invocations() {
    App::story(async |app| {
        publish(app).await;
        app.call("/answers").await;
        recorded(app, "", 1).await;
        let ada = user(app, "ada", everything()).await;
        let other = json!([line("allow", "job/bank/invocations", &["read"])]);
        let (_, token) = token(app, &ada, other).await;
        let ask = async |path: &str| {
            let request = app.stranger(Method::GET, path).bearer_auth(&token);
            let response = request.send().await.unwrap();
            (response.status(), response.json::<Value>().await.unwrap())
        };
        let (status, all) = ask("/api/invocations/points").await;
        assert_eq!((status, &all["data"]["total"]), (StatusCode::OK, &json!(0)));
        assert_eq!(
            ask("/api/job/shop/invocations/points").await.0,
            StatusCode::FORBIDDEN
        );
    });
}
