//! What the server tells about itself: its log on standard error, and the spans of its work to an OTLP collector.

mod log;
#[cfg(feature = "otlp")]
mod otlp;

use jobber_actors::trace::SharedRecorder;
use tokio::runtime::Handle;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::Config;

/// The standard variable that says where spans go.
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Why the server can not tell about itself.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log is wrong, which the configuration has checked.
    #[error("JOBBER_LOG: {0}")]
    Filter(#[from] ParseError),
    /// Spans can not be exported as the environment says.
    #[cfg(feature = "otlp")]
    #[error("spans can not be exported: {0}")]
    Export(#[from] otlp::ExportError),
}

/// What was begun, and is to be ended.
#[must_use = "spans that wait are lost unless it is ended"]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    exporter: Option<otlp::Exporter>,
}

impl Telemetry {
    /// Begins to log, and to export spans if the environment says where to. Exports run on `io`. The first call counts; later ones
    /// (in tests) change nothing.
    ///
    /// # Errors
    /// [`TelemetryError`]. A collector that does not answer is no error.
    #[cfg(feature = "otlp")]
    pub fn begin(config: &Config, io: &Handle) -> Result<Self, TelemetryError> {
        let log = log::layer(&config.logging, std::io::stderr)?;
        let exporter = otlp::Exporter::begin(&config.server.name, io)?;
        told(match &exporter {
            Some(exporter) => registry().with(log).with(exporter.layer()).try_init(),
            None => registry().with(log).try_init(),
        });
        Ok(Self { exporter })
    }

    /// Begins to log. The first call counts; later ones (in tests) change nothing.
    ///
    /// # Errors
    /// [`TelemetryError`].
    #[cfg(not(feature = "otlp"))]
    pub fn begin(config: &Config, _io: &Handle) -> Result<Self, TelemetryError> {
        let log = log::layer(&config.logging, std::io::stderr)?;
        told(registry().with(log).try_init());
        Ok(Self {})
    }

    /// Who records the spans of invocations.
    #[must_use]
    pub fn recorder(&self) -> SharedRecorder {
        #[cfg(feature = "otlp")]
        let recorder = self.exporter.as_ref().map(otlp::Exporter::recorder);
        #[cfg(not(feature = "otlp"))]
        let recorder = None;
        recorder
    }

    /// Exports what waits, for a short while. Blocks until then; the runtime of the exports must still run.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = self.exporter {
            exporter.end();
        }
    }
}

/// What becomes of a second subscriber.
fn told(installed: Result<(), TryInitError>) {
    if let Err(error) = installed {
        tracing::debug!(%error, "logging was set up before");
    }
}
