//! Reading the functions' logs, wherever they are kept.
//!
//! [`LogArchive`] is what the API knows; `LOG_DRIVER` says what is behind it. Writing goes another way: the LogSink actor
//! gives batches to a `LogStore`. Whatever keeps lines implements both.

mod cursor;
pub mod loki;
mod none;
mod query;
mod tail;

pub use cursor::{LogCursor, NotACursor};
pub use none::NoLogs;
pub use query::{LogFilter, LogQuery, Span};
pub use tail::{Tail, TailPage, TailStart};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogLevel, OutputStream};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::DatabaseError;

/// A line as it was kept.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredLogLine {
    /// Its place; give it as `after` or `before`.
    #[schema(value_type = String)]
    pub cursor: LogCursor,
    /// When the function wrote it.
    pub time: DateTime<Utc>,
    /// Whose it is.
    #[schema(value_type = uuid::Uuid)]
    pub job_id: JobId,
    /// Which version wrote it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub version_id: Option<VersionId>,
    /// Which runner wrote it.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub runner_id: Option<RunnerId>,
    /// Which invocation it belongs to.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub invocation_id: Option<InvocationId>,
    /// `stdout`, `stderr` or `system`.
    #[schema(value_type = String)]
    pub stream: OutputStream,
    /// `debug`, `info`, `warn` or `error`.
    #[schema(value_type = String)]
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// Structured fields, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Value>,
}

/// Why lines could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogArchiveError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The operator wants none kept.
    #[error("no logs are kept")]
    NotKept,
    /// What keeps the lines does not answer, or is too busy.
    #[error("the logs are out of reach: {0}")]
    Unavailable(String),
    /// What keeps the lines answered something that is not understood.
    #[error("the logs can not be read: {0}")]
    Failed(String),
}

/// Where log lines are kept, for whoever reads them.
#[async_trait]
pub trait LogArchive: Send + Sync + 'static {
    /// Lines of these jobs, the oldest first: those right after the query's place, or those right before it, or the newest. Fewer
    /// than the limit are all that there are on that side.
    ///
    /// # Errors
    /// [`LogArchiveError`].
    async fn read(&self, jobs: &[JobId], query: &LogQuery) -> Result<Vec<StoredLogLine>, LogArchiveError>;
}
