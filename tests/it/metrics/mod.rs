//! The numbers that the admin API tells.

mod by_job;
mod documents;
mod promtool;
mod series;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::exposition::{self, Exposition};
use crate::support::{App, Package, eventually};

const MODULE: &str = r"
    export const handler = (request, response) => {
        if (request.path() === '/throws') throw new Error('as asked');
        response.text('x');
    };
";

async fn text(app: &App) -> String {
    let response = app.request(Method::GET, "/api/metrics").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    response.text().await.unwrap()
}

#[test]
fn invocations_are_counted_and_timed() {
    App::story(async |app| {
        let package = Package::new("shop", "1")
            .routes(&["/answers", "/throws"])
            .file("index.js", MODULE);
        let (status, body) = app.publish(&package).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        for path in ["/answers", "/answers", "/throws"] {
            app.call(path).await;
        }
        assert_eq!(app.call("/nowhere").await.0, StatusCode::NOT_FOUND);
        // The counts are made where the answer is; it may be seen a moment before.
        let text = eventually("all are counted", async || {
            let text = text(app).await;
            text.contains("ending=\"failed\"} 1").then_some(text)
        })
        .await;
        for line in [
            "# TYPE jobber_invocations_total counter",
            "jobber_invocations_total{job=\"shop\",trigger=\"http\",ending=\"succeeded\"} 2",
            "jobber_invocations_total{job=\"shop\",trigger=\"http\",ending=\"failed\"} 1",
            "jobber_requests_turned_away_total{job=\"shop\"} 0",
            "# TYPE jobber_invocation_duration_seconds histogram",
            "jobber_invocation_duration_seconds_count{job=\"shop\",trigger=\"http\"} 3",
            "jobber_invocation_duration_seconds_bucket{job=\"shop\",trigger=\"http\",le=\"+Inf\"} 3",
            "jobber_invocation_duration_seconds_bucket{job=\"shop\",trigger=\"http\",le=\"30\"} 3",
            "jobber_database_up 1",
            "jobber_jobs{status=\"enabled\"} 1",
            "jobber_runners{stage=\"ready\"} 1",
            "jobber_runners_serving{job=\"shop\"} 1",
            "jobber_invocations_running{job=\"shop\"} 0",
            "jobber_invocations_running_limit{job=\"shop\"} 100",
            "jobber_invocations_waiting_limit{job=\"shop\"} 1000",
            "jobber_job_runners{job=\"shop\",stage=\"ready\"} 1",
            "jobber_runner_starts_total{job=\"shop\",result=\"ready\"} 1",
            "jobber_runner_start_failing{job=\"shop\"} 0",
            "jobber_actor_failures_total{kind=\"root\"} 0",
            "jobber_gateway_requests_total 4",
            "jobber_gateway_refusals_total{code=\"no-route\"} 1",
            "jobber_database_connections_limit 16",
            "jobber_log_lines_dropped_total 0",
            "jobber_actor_restarts{kind=\"root\"} 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(
            !text.contains("trigger=\"mqtt\""),
            "nothing is told of what never was\n{text}"
        );
        times_add_up(&exposition::read(&text));

        let overview = app.get("/api/metrics/overview").await;
        let invocations =
            json!({"cancelled": 0, "failed": 1, "lost": 0, "refused": 0, "succeeded": 2, "timed-out": 0});
        assert_eq!(overview["invocations"], invocations);
        assert_eq!(overview["jobs"], json!({"enabled": 1, "disabled": 0}));
        assert_eq!(overview["runners"]["ready"], 1);
        assert_eq!(overview["deliveries"], 0);
    });
}

/// Whoever looks at the numbers while something is wrong must see some.
#[test]
fn without_the_database_the_other_numbers_are_there() {
    App::story(async |app| {
        app.publish(&Package::new("shop", "1").routes(&["/shop"])).await;
        app.database.close();
        let (status, body) = app.ask(Method::GET, "/api/metrics/overview").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(
            (&body["data"]["jobs"], &body["data"]["deliveries"]),
            (&json!(null), &json!(null))
        );
        assert!(text(app).await.contains("\njobber_database_up 0\n"));
    });
}

/// What a call took is what it waited and what its handler took.
fn times_add_up(found: &Exposition) {
    let sum = |name: &str, ending: &str| -> f64 {
        let samples = found[name].samples.iter();
        let of_shop = samples.filter(|sample| sample.name == format!("{name}{ending}"));
        of_shop.map(|sample| sample.value).sum()
    };
    let all = [
        "jobber_invocation_duration_seconds",
        "jobber_invocation_queue_seconds",
        "jobber_invocation_handler_seconds",
    ];
    assert_eq!(all.map(|name| sum(name, "_count")), [3.0, 3.0, 3.0]);
    let [total, queue, handler] = all.map(|name| sum(name, "_sum"));
    let cold = sum("jobber_invocation_cold_start_seconds", "_sum");
    assert!(
        (total - queue - handler - cold).abs() < 1e-6,
        "{total} {queue} {handler} {cold}"
    );
    assert!(handler > 0.0);
}

/// A job's name may have characters that mean something in the text; what is gone leaves no numbers.
#[test]
fn a_job_that_is_removed_takes_its_numbers_along() {
    App::story(async |app| {
        let package = Package::new("@team/shop", "1").routes(&["/shop"]);
        assert_eq!(app.publish(&package).await.0, StatusCode::OK);
        assert_eq!(app.call("/shop").await.0, StatusCode::OK);
        let job = "job=\"@team/shop\"";
        eventually("it is counted", async || {
            text(app).await.contains(job).then_some(())
        })
        .await;
        let (status, body) = app.ask(Method::DELETE, "/api/job/@team%2Fshop").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let text = eventually("nothing is left", async || {
            let text = text(app).await;
            (!text.contains(job)).then_some(text)
        })
        .await;
        exposition::read(&text);
    });
}
