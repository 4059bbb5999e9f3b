//! Where the functions' log lines go.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::OutputStream;
use crate::domain::{InvocationId, JobId, RunnerId, VersionId};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// As it should be.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// As it is written: `debug`, `info`, `warn` or `error`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The level of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// One line of a job's log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// When the function wrote it.
    pub time: DateTime<Utc>,
    /// Whose.
    pub job: JobId,
    /// Which version wrote it.
    pub version: Option<VersionId>,
    /// Which runner wrote it.
    pub runner: Option<RunnerId>,
    /// Which invocation it belongs to, if it is known.
    pub invocation: Option<InvocationId>,
    /// Where it was written.
    pub stream: OutputStream,
    /// How much it matters.
    pub level: LogLevel,
    /// The text, without NUL and without its last line feed.
    pub message: String,
    /// Structured fields of `context.log`, if any.
    pub fields: Option<serde_json::Value>,
}

/// Why lines could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log store failed: {reason}")]
pub struct LogError {
    /// So many of the lines, from the first one on, are kept all the same.
    pub kept: usize,
    /// The store can not be reached or has too much to do, which is no fault of these lines: they are worth waiting for it.
    pub unreachable: bool,
    /// How long the store wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What happened.
    pub reason: String,
}

impl LogError {
    /// The store does not take these lines.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self {
            kept: 0,
            unreachable: false,
            retry_after: None,
            reason: reason.into(),
        }
    }

    /// The store is not to be had.
    #[must_use]
    pub fn unreachable(reason: impl Into<String>) -> Self {
        Self {
            unreachable: true,
            ..Self::refused(reason)
        }
    }
}

/// Keeps batches of log lines.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Keeps these lines, in order.
    ///
    /// # Errors
    /// [`LogError`] with how many are kept; the caller tries again with the others or counts them as dropped.
    async fn append(&self, lines: &[LogLine]) -> Result<(), LogError>;
}
