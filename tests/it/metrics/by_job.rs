//! What each of many jobs came to, in one answer.

use chrono::{Days, TimeDelta, Timelike, Utc};
use jobber::store::PostgresRollups;
use jobber_actors::domain::{JobId, ServerId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::series::rollup;
use crate::access::{everything, line, token, user};
use crate::support::{App, Package};

async fn publish(app: &App, name: &str) -> JobId {
    let package = Package::new(name, "1").routes(&[&format!("/{name}")]);
    let (status, body) = app.publish(&package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let job = app.get(&format!("/api/job/{name}")).await;
    job["id"].as_str().unwrap().parse().unwrap()
}

#[test]
fn each_job_has_its_figures_of_the_day_and_a_small_chart() {
    App::story(async |app| {
        let (shop, bank) = (publish(app, "shop").await, publish(app, "bank").await);
        publish(app, "idle").await;
        let store = PostgresRollups::new(app.database.clone(), Days::new(30));
        let now = Utc::now().with_nanosecond(0).unwrap().with_second(0).unwrap();
        let ago = |hours| now - TimeDelta::hours(hours);
        let kept = [
            rollup(shop, ago(1), "http", 7, 1),
            rollup(shop, ago(1), "mqtt", 2, 1),
            rollup(shop, ago(5), "http", 1, 1),
            rollup(shop, ago(30), "http", 50, 1),
            rollup(bank, ago(2), "schedule", 3, 1),
        ];
        store.keep(ServerId::generate(), &kept).await.unwrap();

        let told = app.get("/api/metrics/jobs").await;
        assert_eq!(told["stepSeconds"], 3600);
        let jobs = told["jobs"].as_array().unwrap();
        assert_eq!(jobs.len(), 2, "of the idle one there is nothing: {told}");
        let of = |job: JobId| {
            let id = json!(job.to_string());
            jobs.iter().find(|one| one["jobId"] == id).unwrap()
        };
        assert_eq!((&of(shop)["count"], &of(bank)["count"]), (&json!(10), &json!(3)));
        assert_eq!(
            (&of(shop)["errors"], &of(shop)["coldStarts"]),
            (&json!(0), &json!(3))
        );
        assert_eq!(of(shop)["coldStartShare"], 0.3);
        let p95 = of(shop)["p95Ms"].as_f64().unwrap();
        assert!((10.0..=20.0).contains(&p95), "all took 20 ms: {p95}");
        let counts = of(shop)["counts"].as_array().unwrap();
        assert!((24..=25).contains(&counts.len()), "{}", counts.len());
        let mut busy: Vec<_> = counts.iter().filter_map(Value::as_u64).collect();
        busy.retain(|count| *count > 0);
        assert_eq!(busy, [1, 9]);

        let only = app.get(&format!("/api/metrics/jobs?jobId={bank}")).await;
        assert_eq!(only["jobs"].as_array().unwrap().len(), 1);
        let from = ago(48).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let longer = app
            .get(&format!("/api/metrics/jobs?from={from}&jobId={shop}"))
            .await;
        assert_eq!(
            (&longer["jobs"][0]["count"], &longer["stepSeconds"]),
            (&json!(60), &json!(7200))
        );

        // The same over the whole span of a series of one job.
        let from = ago(24).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let series = app
            .get(&format!("/api/job/shop/metrics/series?from={from}"))
            .await;
        assert_eq!(series["whole"]["succeeded"], 10);
        assert_eq!(series["whole"]["total"]["p95Ms"], of(shop)["p95Ms"]);
    });
}

#[test]
fn figures_are_of_the_jobs_that_one_may_read() {
    App::story(async |app| {
        let (shop, bank) = (publish(app, "shop").await, publish(app, "bank").await);
        let store = PostgresRollups::new(app.database.clone(), Days::new(30));
        let kept = [shop, bank].map(|job| rollup(job, Utc::now() - TimeDelta::minutes(2), "http", 1, 1));
        store.keep(ServerId::generate(), &kept).await.unwrap();
        let ada = user(app, "ada", everything()).await;
        let charts = json!([line("allow", "job/shop/metrics", &["read"])]);
        let (_, token) = token(app, &ada, charts).await;
        let request = app.stranger(Method::GET, "/api/metrics/jobs").bearer_auth(&token);
        let told = request.send().await.unwrap().json::<Value>().await.unwrap();
        let jobs = told["data"]["jobs"].as_array().unwrap();
        assert_eq!((jobs.len(), &jobs[0]["jobId"]), (1, &json!(shop.to_string())));
    });
}
