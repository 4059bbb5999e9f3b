//! Spans, from a whole server to a collector. Built with the feature `otlp-test` only; it needs Node and Postgres, and nothing of
//! Docker's.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod collector;
mod server;

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::crypto::ring;

use self::collector::{Collector, Exported};
use self::server::Server;

/// Nothing here takes this long unless it is broken.
const BOUND: Duration = Duration::from_secs(30);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// What a traced function was told, parted: trace, span, flags.
async fn traced(server: &Server, headers: &[(&str, &str)]) -> [String; 3] {
    let request = server.client.get(format!("{}/traced", server.gateway));
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    let seen: Value = request.send().await.unwrap().json().await.unwrap();
    let traceparent = seen["traceparent"].as_str().unwrap().to_owned();
    assert_eq!(seen["header"], traceparent.as_str());
    let parts: Vec<_> = traceparent.split('-').map(ToOwned::to_owned).collect();
    let [version, trace, span, flags] = parts.try_into().unwrap();
    assert_eq!(version, "00");
    [trace, span, flags]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_goes_through_the_server_into_the_function() {
    let mut collector = Collector::start().await;
    let server = Server::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ])
    .await;

    let caller = format!("00-{TRACE}-{CALLER}-01");
    let [trace, span, flags] = traced(&server, &[("traceparent", &caller), ("tracestate", "a=1")]).await;
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "01"));
    let exported = collector.span(&span).await;
    assert_eq!(hex::encode(&exported.span.trace_id), TRACE);
    assert_eq!(
        hex::encode(&exported.span.parent_span_id),
        CALLER,
        "the caller's span is the parent"
    );
    assert_eq!(exported.span.trace_state, "a=1");
    assert_eq!(exported.span.name, "invoke traced");
    assert_eq!(exported.span.kind(), SpanKind::Server);
    assert!(exported.span.end_time_unix_nano > exported.span.start_time_unix_nano);
    for (name, value) in [
        ("faas.name", "traced"),
        ("faas.version", "1.0.0"),
        ("faas.trigger", "http"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("jobber.attempt", "1"),
        ("jobber.outcome", "succeeded"),
        ("jobber.trigger", "by-http"),
    ] {
        assert_eq!(exported.attribute(name).as_deref(), Some(value), "{name}");
    }
    assert!(
        exported
            .attribute("jobber.runner")
            .is_some_and(|runner| runner.len() == 36)
    );
    assert!(
        exported
            .attribute("faas.invocation_id")
            .is_some_and(|id| id.len() == 36)
    );
    assert_eq!(exported.resource("service.name").as_deref(), Some("jobber"));
    assert!(exported.resource("service.instance.id").is_some());
    assert_eq!(
        exported.tenant.as_deref(),
        Some("ours"),
        "what the variables say goes with it"
    );

    let [begun, span, flags] = traced(&server, &[]).await;
    assert_eq!(flags, "01");
    let exported = collector.span(&span).await;
    assert_eq!(hex::encode(&exported.span.trace_id), begun);
    assert!(exported.span.parent_span_id.is_empty(), "a trace begins");

    let unrecorded = format!("00-{TRACE}-{CALLER}-00");
    let [trace, unrecorded, flags] = traced(&server, &[("traceparent", &unrecorded)]).await;
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "00"));
    let failing = server.client.get(format!("{}/traced?fail", server.gateway));
    assert_eq!(failing.send().await.unwrap().status(), 500);
    let failed = collector
        .find(|exported| exported.attribute("jobber.outcome").as_deref() == Some("failed"))
        .await;
    assert_eq!(failed.span.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(failed.attribute("error.type").as_deref(), Some("RangeError"));
    assert!(
        !collector.has(&unrecorded),
        "its caller does not record, and spans end in order"
    );

    let published = collector.find(|exported| exported.span.name == "publish").await;
    assert_eq!(published.attribute("jobber.job").as_deref(), Some("traced"));
    assert_eq!(published.attribute("jobber.outcome").as_deref(), Some("done"));
    let deployed = collector.find(|exported| exported.span.name == "deploy").await;
    assert_eq!(deployed.span.parent_span_id, published.span.span_id);
    assert_eq!(deployed.span.trace_id, published.span.trace_id);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_begin_traces_and_their_deliveries_are_seen() {
    let mut collector = Collector::start().await;
    let server = Server::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_SERVICE_NAME", "shop"),
    ])
    .await;
    let timed = |exported: &Exported| exported.attribute("faas.trigger").as_deref() == Some("timer");
    let first = collector.find(timed).await;
    assert_eq!(first.span.kind(), SpanKind::Internal);
    assert!(first.span.parent_span_id.is_empty());
    assert_eq!(first.attribute("jobber.trigger").as_deref(), Some("by-schedule"));
    assert_eq!(first.resource("service.name").as_deref(), Some("shop"));
    let settled = collector
        .find(|exported| exported.span.name == "settle deliveries")
        .await;
    assert_eq!(settled.attribute("jobber.deliveries").as_deref(), Some("1"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_called_over_tls_and_only_if_it_is_trusted() {
    let (mut collector, certificate) = Collector::secured().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    let other = Collector::secured().await.1;
    for (trusted, told) in [(&certificate, 0), (&other, 1)] {
        std::fs::write(&file, trusted).unwrap();
        let before = collector.requests();
        let server = Server::start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            // Instead of the system's.
            ("SSL_CERT_FILE", file.to_str().unwrap()),
        ])
        .await;
        let [_, span, _] = traced(&server, &[]).await;
        if told == 0 {
            collector.span(&span).await;
        }
        let log = server.stop().await;
        assert_eq!(log.matches("takes no spans").count(), told, "{log}");
        assert_eq!(collector.requests() > before, told == 0, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_exported_when_the_server_ends() {
    let mut collector = Collector::start().await;
    let server = Server::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        // Longer than any test.
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ])
    .await;
    let [_, span, _] = traced(&server, &[]).await;
    assert!(!collector.has(&span), "it is not time yet");
    server.stop().await;
    collector.span(&span).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_does_not_answer_delays_and_breaks_nothing() {
    let silent = Collector::silent().await;
    // What is refused is known at once; what is not answered, only after longer than this takes.
    for (endpoint, told) in [(silent.url(), 0), (Collector::gone(), 1)] {
        let server = Server::start(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "50"),
            // Little room, so that what is not taken has to be dropped.
            ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
        ])
        .await;
        let began = Instant::now();
        for _ in 0..50 {
            timeout(BOUND, traced(&server, &[])).await.expect("an answer");
        }
        assert!(began.elapsed() < BOUND, "{:?} for 50 calls", began.elapsed());
        let log = server.stop().await;
        assert_eq!(log.matches("takes no spans").count(), told, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_can_not_be_followed_is_told_at_the_start() {
    for (name, value, said) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "only http/protobuf"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "ftp://ann:hunter2@collector",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ),
    ] {
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
            (name, value),
        ];
        let log = timeout(BOUND, Server::refused(&environment))
            .await
            .expect("it ends at once");
        assert!(!log.contains("hunter2"), "{log}");
        assert!(log.contains("error:") && log.contains(said), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_exported_is_in_the_log_if_it_is_asked_for() {
    let collector = Collector::start().await;
    let server = Server::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url()),
        ("OTEL_SDK_DISABLED", "true"),
        ("JOBBER_LOG", "info,jobber::invocation=debug"),
        ("JOBBER_LOG_FORMAT", "json"),
    ])
    .await;
    let [_, _, flags] = traced(&server, &[]).await;
    assert_eq!(flags, "01", "whether to record is left to the function");
    let log = server.stop().await;
    assert_eq!(collector.requests(), 0);

    // The functions' own lines are between them.
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ends: Vec<_> = lines
        .filter(|line| line["target"] == "jobber::invocation")
        .collect();
    let by_http = ends
        .iter()
        .find(|end| end["span"]["faas.trigger"] == "http")
        .expect(&log);
    assert_eq!(
        (&by_http["message"], &by_http["span"]["name"]),
        (&json!("close"), &json!("invocation"))
    );
    assert_eq!(by_http["span"]["faas.name"], "traced");
    assert_eq!(by_http["span"]["jobber.outcome"], "succeeded");
    assert!(by_http["span"]["jobber.runner"].is_string(), "{by_http}");
}

/// A client without a pool: each connection lives in its own test's runtime.
fn client() -> Client {
    // The feature gives reqwest TLS without one; that another test was quicker is no error.
    let _: Result<_, _> = ring::default_provider().install_default();
    Client::builder()
        .timeout(BOUND)
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}
