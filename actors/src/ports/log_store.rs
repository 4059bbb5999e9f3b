//! Where the functions' log lines go.

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
#[derive(Debug, thiserror::Error)]
#[error("the log store failed: {0}")]
pub struct LogError(pub String);

/// Keeps batches of log lines.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Keeps these lines, all or none.
    ///
    /// # Errors
    /// [`LogError`]; the caller tries again or counts them as dropped.
    async fn append(&self, lines: &[LogLine]) -> Result<(), LogError>;
}
