//! What invocations came to over time.

use std::pin::pin;

use chrono::{DateTime, Days, TimeDelta, Utc};
use futures_util::future::{Either, select};
use jobber::store::PostgresRollups;
use jobber_actors::clock::Clock;
use jobber_actors::domain::{JobId, ServerId};
use jobber_actors::metrics::{Ending, Histogram, HistogramView, Levels, Rollup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::MODULE;
use crate::access::{everything, line, token, user};
use crate::support::{App, BreakablePostgres, Package, eventually};

async fn publish_shop(app: &App) -> JobId {
    let package = Package::new("shop", "1")
        .routes(&["/answers", "/throws"])
        .file("index.js", MODULE);
    let (status, body) = app.publish(&package).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    app.get("/api/job/shop").await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Tells a story while the counts of minutes are kept; what is left at its end is kept then.
async fn while_kept<T>(app: &App, clock: Clock, story: impl Future<Output = T>) -> T {
    let (stop, stopped) = watch::channel(false);
    let writer = app.rollup_writer(clock);
    let writing = pin!(writer.run(stopped));
    let story = pin!(story);
    match select(story, writing).await {
        Either::Left((told, writing)) => {
            stop.send_replace(true);
            writing.await;
            told
        }
        Either::Right(_) => panic!("nobody has stopped the writer"),
    }
}

/// Sum of a number over all points.
fn sum(series: &Value, field: &str) -> u64 {
    let points = series["points"].as_array().unwrap().iter();
    points.map(|point| point[field].as_u64().unwrap()).sum()
}

#[test]
fn what_invocations_came_to_is_a_chart_without_gaps() {
    App::story(async |app| {
        publish_shop(app).await;
        while_kept(app, Clock::System, async {
            for path in ["/answers", "/answers", "/throws"] {
                app.call(path).await;
            }
        })
        .await;
        let series = app.get("/api/job/shop/metrics/series").await;
        assert_eq!(series["stepSeconds"], 60);
        let points = series["points"].as_array().unwrap();
        assert!((60..=61).contains(&points.len()), "an hour: {}", points.len());
        let time = |point: &Value| point["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert!(points.is_sorted_by(|one, two| time(two) - time(one) == TimeDelta::minutes(1)));
        assert_eq!((sum(&series, "succeeded"), sum(&series, "failed")), (2, 1));
        let busy: Vec<_> = points
            .iter()
            .filter(|point| !point["total"]["p50Ms"].is_null())
            .collect();
        assert!((1..=2).contains(&busy.len()), "a minute may have ended meanwhile");
        for point in &busy {
            let of = |times: &str, which: &str| point[times][which].as_f64().unwrap();
            assert!(of("total", "p50Ms") <= of("total", "p99Ms"));
            let parts = of("queue", "meanMs") + of("handler", "meanMs");
            assert!((of("total", "meanMs") - parts).abs() < 0.01, "{point}");
            assert_eq!(point["coldStartShare"], 0.0, "the runner was there");
            assert_eq!(point["mostRunners"], 1);
        }
        let idle = points
            .iter()
            .find(|point| point["total"]["p50Ms"].is_null())
            .unwrap();
        assert_eq!(
            (&idle["succeeded"], &idle["coldStartShare"]),
            (&json!(0), &Value::Null)
        );

        let other = app.get("/api/job/shop/metrics/series?type=mqtt").await;
        assert_eq!(sum(&other, "succeeded"), 0);
        let all = app.get("/api/metrics/series").await;
        assert_eq!(sum(&all, "succeeded"), 2);
        let (status, body) = app.ask(Method::GET, "/api/metrics/series?step=59").await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::BAD_REQUEST, &json!("bad-request"))
        );
    });
}

pub(super) fn rollup(
    job: JobId,
    minute: DateTime<Utc>,
    kind: &'static str,
    succeeded: u64,
    waiting: u32,
) -> Rollup {
    let times = Histogram::default();
    for _ in 0..succeeded {
        times.add(std::time::Duration::from_millis(20));
    }
    let times = HistogramView {
        longest: Some(std::time::Duration::from_millis(20)),
        ..times.view()
    };
    let mut endings = [0; Ending::ALL.len()];
    endings[Ending::Succeeded as usize] = succeeded;
    Rollup {
        minute,
        job,
        kind,
        endings,
        turned_away: 0,
        cold_starts: 1,
        cold_wait: std::time::Duration::from_millis(300),
        total: times,
        queue: times,
        handler: times,
        levels: Levels {
            waiting,
            running: 1,
            runners: 2,
        },
    }
}

/// Each server adds its part; one that does not know whether it was written writes it again.
#[test]
fn servers_add_up_and_writing_twice_changes_nothing() {
    App::story(async |app| {
        let job = publish_shop(app).await;
        let store = PostgresRollups::new(app.database.clone(), Days::new(30));
        let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let (one, two) = (ServerId::generate(), ServerId::generate());
        let minute = |minutes| noon + TimeDelta::minutes(minutes);
        let of_one = [
            rollup(job, minute(0), "http", 7, 5),
            rollup(job, minute(0), "mqtt", 1, 5),
            rollup(job, minute(3), "http", 2, 1),
        ];
        for _ in 0..2 {
            store.keep(one, &of_one).await.unwrap();
        }
        store
            .keep(two, &[rollup(job, minute(0), "http", 10, 4)])
            .await
            .unwrap();

        let path = "/api/job/shop/metrics/series?from=2026-03-01T12:00:00Z&to=2026-03-01T12:10:00Z";
        let series = app.get(path).await;
        let succeeded: Vec<_> = series["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| &point["succeeded"])
            .collect();
        assert_eq!(json!(succeeded), json!([18, 0, 0, 2, 0, 0, 0, 0, 0, 0]));
        let first = &series["points"][0];
        assert_eq!(
            first["mostWaiting"], 9,
            "once for each server, whatever the kinds"
        );
        assert_eq!(
            (&first["coldStarts"], &first["coldStartMs"]),
            (&json!(3), &json!(300.0))
        );
        assert_eq!(first["total"]["meanMs"], 20.0);
        let median = first["total"]["p50Ms"].as_f64().unwrap();
        assert!((10.0..=20.0).contains(&median), "{median}");
        assert_eq!(first["total"]["p99Ms"], 20.0, "none took longer");

        // A longer step holds several minutes: counts add up, levels do not.
        let series = app.get(&format!("{path}&step=600")).await;
        assert_eq!(
            (
                series["stepSeconds"].as_u64(),
                series["points"].as_array().unwrap().len()
            ),
            (Some(600), 1)
        );
        assert_eq!((sum(&series, "succeeded"), sum(&series, "mostWaiting")), (20, 9));
        let http = app.get(&format!("{path}&step=600&type=http")).await;
        assert_eq!(sum(&http, "succeeded"), 19);
    });
}

/// What is counted while Postgres is away belongs to the minute in which it happened, and is kept later.
#[test]
fn minutes_wait_for_a_database_that_is_away() {
    actix_rt::System::new().block_on(async {
        let mut postgres = BreakablePostgres::start().await;
        let app = App::on(postgres.database().await).await;
        publish_shop(&app).await;
        // Time enough for the call, also on a busy machine, and the end of the minute soon after.
        let begin: DateTime<Utc> = "2026-03-01T12:00:40Z".parse().unwrap();
        while_kept(&app, Clock::beginning_with(begin), async {
            postgres.stop().await;
            assert_eq!(app.call("/answers").await.0, StatusCode::OK);
            eventually("the minute is over", async || {
                (app.waiting.waiting() == 1).then_some(())
            })
            .await;
            postgres.start_again().await;
            eventually("it is kept", async || (app.waiting.waiting() == 0).then_some(())).await;
        })
        .await;
        assert_eq!(app.waiting.dropped(), 0);
        let path = "/api/job/shop/metrics/series?from=2026-03-01T12:00:00Z&to=2026-03-01T12:01:00Z";
        assert_eq!(sum(&app.get(path).await, "succeeded"), 1);
        app.stop().await;
    });
}

#[test]
fn charts_are_for_those_who_may_read_them() {
    App::story(async |app| {
        publish_shop(app).await;
        assert_eq!(
            app.publish(&Package::new("bank", "1").routes(&["/bank"])).await.0,
            StatusCode::OK
        );
        while_kept(app, Clock::System, async {
            app.call("/answers").await;
            app.call("/bank").await;
        })
        .await;
        let ada = user(app, "ada", everything()).await;
        let charts = json!([line("allow", "job/shop/metrics", &["read"])]);
        let (_, token) = token(app, &ada, charts).await;
        let ask = async |path: &str| {
            let response = app
                .stranger(Method::GET, path)
                .bearer_auth(&token)
                .send()
                .await
                .unwrap();
            (response.status(), response.json::<Value>().await.unwrap())
        };
        let (status, all) = ask("/api/metrics/series").await;
        assert_eq!(status, StatusCode::OK, "{all}");
        assert_eq!(sum(&all["data"], "succeeded"), 1, "of the shop only");
        assert_eq!(ask("/api/job/shop/metrics/series").await.0, StatusCode::OK);
        assert_eq!(ask("/api/job/bank/metrics/series").await.0, StatusCode::FORBIDDEN);
    });
}
