//! Spans to an OTLP collector, by HTTP and protobuf, as the standard variables say (`OTEL_…`).
//!
//! Spans that have ended wait in a bounded queue for a thread that sends them in batches; what finds no place there is dropped.
//! Nothing else waits for the collector.

mod collector;
mod ids;

use std::sync::Arc;
use std::time::Duration;

use jobber_actors::trace::SpanRecorder;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use reqwest::Url;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use self::collector::Collector;
use self::ids::{GivenIds, Recorder};
use super::ENDPOINT;

/// The standard variable that says where spans go, and not where metrics and logs go.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// How long what waits may take to be exported when the server ends.
const LAST_EXPORT: Duration = Duration::from_secs(2);
/// Spans of these targets, and what lies below them, are exported.
const OURS: &str = "jobber";

/// Why spans can not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A variable is no address.
    #[error("{0} is no address of a collector: {1}")]
    Address(&'static str, String),
    /// A variable asks for what is not there.
    #[error("{0}={1}: only http/protobuf is spoken")]
    Protocol(&'static str, String),
    /// A variable is wrong.
    #[error(transparent)]
    Settings(#[from] ExporterBuildError),
    /// The collector can not be called.
    #[error("the collector can not be called: {0}")]
    Client(String),
}

/// Exports spans.
pub(super) struct Exporter {
    provider: SdkTracerProvider,
}

impl Exporter {
    /// Begins to export the spans of an instance of this name, if the environment says where to.
    ///
    /// # Errors
    /// [`ExportError`] when what it says can not be.
    pub(super) fn begin(instance: &str, io: &Handle) -> Result<Option<Self>, ExportError> {
        let Some(endpoint) = variable(ENDPOINT).filter(|_| !is_disabled()) else {
            return Ok(None);
        };
        let endpoint = check_address(ENDPOINT, &endpoint)?;
        let endpoint = match variable(TRACES_ENDPOINT) {
            Some(other) => check_address(TRACES_ENDPOINT, &other)?,
            None => endpoint,
        };
        check_protocol()?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Collector::new(&endpoint, io)?)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_id_generator(GivenIds)
            .with_resource(resource(instance))
            .with_batch_exporter(exporter)
            .build();
        Ok(Some(Self { provider }))
    }

    /// What hears of the spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let layer: OpenTelemetryLayer<S, SdkTracer> =
            tracing_opentelemetry::layer().with_tracer(self.provider.tracer(OURS));
        let ours = filter_fn(|metadata| metadata.is_span() && is_ours(metadata.target()));
        layer
            .with_context_activation(false)
            .with_level(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Who gives spans of invocations their place in their trace.
    pub(super) fn recorder(&self) -> Arc<dyn SpanRecorder> {
        Arc::new(Recorder)
    }

    /// Exports what waits, for a short while.
    pub(super) fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_EXPORT) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

fn is_ours(target: &str) -> bool {
    target
        .strip_prefix(OURS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('_'))
}

/// An empty variable counts as not set.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_disabled() -> bool {
    variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The address of a collector. Its text is in no error: it may have a password in it.
fn check_address(name: &'static str, text: &str) -> Result<Url, ExportError> {
    let wrong = |reason: String| ExportError::Address(name, reason);
    let url = Url::parse(text)
        .map_err(|_| wrong("it is no address such as http://collector.example.org:4318".to_owned()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!(
            "it begins with {other}:, and not with http: or https:"
        ))),
    }
}

/// Whether the variables ask for what is spoken here. Said at the start, and not by spans that never arrive.
fn check_protocol() -> Result<(), ExportError> {
    let names = [
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
    ];
    for name in names {
        match variable(name) {
            Some(protocol) if protocol != "http/protobuf" => {
                return Err(ExportError::Protocol(name, protocol));
            }
            Some(_) => return Ok(()),
            None => {}
        }
    }
    Ok(())
}

/// What the spans are of; what `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say comes first.
fn resource(instance: &str) -> Resource {
    let said = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_said = |key: &str| {
        let mut pairs = said.split(',').filter_map(|pair| pair.split_once('='));
        pairs.any(|(name, _)| name.trim() == key)
    };
    let ours = [
        (
            "service.name",
            OURS.to_owned(),
            variable("OTEL_SERVICE_NAME").is_some(),
        ),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned(), false),
        ("service.instance.id", instance.to_owned(), false),
    ];
    let ours = ours.into_iter().filter(|(key, _, named)| !named && !is_said(key));
    Resource::builder()
        .with_attributes(ours.map(|(key, value, _)| KeyValue::new(key, value)))
        .build()
}
