//! The configuration: the commented defaults of `default.toml`, a file, environment variables and what the command line
//! says, the later ones winning. Every option is one flat name. All that is wrong is told at once, by name.

mod access;
mod backups;
mod calls;
mod ledger;
mod logs;
mod metrics;
mod mqtt;
mod parse;
mod queue;
mod reader;
mod sections;
mod sources;

use std::fmt;
use std::path::Path;

pub use access::AccessSection;
pub use backups::BackupSection;
pub(crate) use backups::MIN_PASSPHRASE;
pub use calls::CallSection;
pub use ledger::LedgerSection;
pub use logs::{LogDriver, LogSection, LokiSection};
pub use metrics::MetricsSection;
pub use mqtt::MqttSection;
pub use parse::LogFormat;
pub use queue::QueueSection;
pub use reader::{ConfigProblem, Setting};
pub use sections::{
    ArchiveSection, DatabaseSection, EngineKind, GatewaySection, Listen, LoggingSection, RunnerSection,
    ServerSection, StoreSection,
};
pub use sources::Overrides;

use reader::Reader;

use crate::telemetry;

/// The defaults, with a comment on each option.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Everything that an operator can set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// This server.
    pub server: ServerSection,
    /// What it logs.
    pub logging: LoggingSection,
    /// Its Postgres.
    pub database: DatabaseSection,
    /// Its runners.
    pub runners: RunnerSection,
    /// The HTTP gateway.
    pub gateway: GatewaySection,
    /// Published archives.
    pub archives: ArchiveSection,
    /// The functions' logs.
    pub logs: LogSection,
    /// The functions' store.
    pub store: StoreSection,
    /// The record of invocations.
    pub ledger: LedgerSection,
    /// What is counted.
    pub metrics: MetricsSection,
    /// The durable queue.
    pub queue: QueueSection,
    /// Asynchronous calls.
    pub calls: CallSection,
    /// Backups.
    pub backups: BackupSection,
    /// Connections to MQTT brokers.
    pub mqtt: MqttSection,
    /// The first user.
    pub access: AccessSection,
    /// Every option as it is in force, for `jobber config`.
    pub settings: Vec<Setting>,
    /// What is no error but should be said.
    pub warnings: Vec<String>,
}

/// All that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigProblem>);

impl ConfigErrors {
    /// Each of them.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl Config {
    /// Reads the file (if there is one), the environment and the overrides.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigErrors> {
        Self::load_with(file, |name| std::env::var(name).ok(), overrides)
    }

    /// As [`load`](Self::load), with an environment of the caller's.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn load_with(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
        overrides: Overrides,
    ) -> Result<Self, ConfigErrors> {
        let is_set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
        let mut warnings = Vec::new();
        if cfg!(not(feature = "otlp")) && is_set(telemetry::ENDPOINT) {
            let name = telemetry::ENDPOINT;
            warnings.push(format!(
                "{name} is set, but this Jobber exports no spans: it was built without the feature `otlp`"
            ));
        }
        let mut problems = Vec::new();
        let figment = sources::merge(file, environment, overrides, &mut problems);
        let mut reader = Reader::new(figment, problems);
        let sections = Self::read(&mut reader);
        let (settings, problems) = reader.finish();
        match sections {
            Some(config) if problems.is_empty() => Ok(Self {
                settings,
                warnings,
                ..config
            }),
            _ => Err(ConfigErrors(problems)),
        }
    }

    /// Reads every section before it gives up on any, so that all problems are found.
    fn read(reader: &mut Reader) -> Option<Self> {
        let server = ServerSection::read(reader);
        let logging = LoggingSection::read(reader);
        let database = DatabaseSection::read(reader);
        let runners = RunnerSection::read(reader);
        let gateway = GatewaySection::read(reader);
        let archives = ArchiveSection::read(reader);
        let logs = LogSection::read(reader);
        let store = StoreSection::read(reader);
        let ledger = LedgerSection::read(reader);
        let metrics = MetricsSection::read(reader);
        let queue = QueueSection::read(reader);
        let calls = CallSection::read(reader);
        let backups = BackupSection::read(reader);
        let mqtt = MqttSection::read(reader);
        let access = AccessSection::read(reader);
        Some(Self {
            server: server?,
            logging: logging?,
            database: database?,
            runners: runners?,
            gateway: gateway?,
            archives: archives?,
            logs: logs?,
            store: store?,
            ledger: ledger?,
            metrics: metrics?,
            queue: queue?,
            calls: calls?,
            backups: backups?,
            mqtt: mqtt?,
            access: access?,
            settings: Vec::new(),
            warnings: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
