//! The functions' log lines.

use std::fmt;
use std::pin::pin;
use std::str::FromStr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogError, LogLevel, LogLine, LogStore, OutputStream};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use utoipa::ToSchema;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;

const COPY: &str = "
    copy runner_logs (job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields)
    from stdin (format binary)";
const COPY_TYPES: [Type; 9] = [
    Type::UUID,
    Type::TIMESTAMPTZ,
    Type::UUID,
    Type::UUID,
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::JSONB,
];
/// Of each job (`$1`) at most so many lines are read as there may be of all, by its index.
const NEWEST_FIRST: &str = "
    select line.* from unnest($1::uuid[]) as job (id) cross join lateral (
        select sequence, job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields
        from runner_logs
        where job_id = job.id and ($2::timestamptz is null or (time, sequence) < ($2, $3))
        order by time desc, sequence desc limit $4
    ) line
    order by time desc, sequence desc limit $4";
const OLDEST_FIRST: &str = "
    select line.* from unnest($1::uuid[]) as job (id) cross join lateral (
        select sequence, job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields
        from runner_logs
        where job_id = job.id and (time, sequence) > ($2, $3)
        order by time, sequence limit $4
    ) line
    order by time, sequence limit $4";

/// Log lines in Postgres.
#[derive(Clone, Debug)]
pub struct PostgresLogStore {
    database: Database,
}

/// Which lines to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Only lines after this one, oldest first.
    pub after: Option<LogCursor>,
    /// Only lines before this one, newest first. Not looked at if `after` is given.
    pub before: Option<LogCursor>,
    /// Most lines.
    pub limit: u16,
}

/// A place in a job's log. Shown as `<microseconds since 1970>.<sequence>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor {
    /// When the line was written.
    pub time: DateTime<Utc>,
    /// Tells lines of the same time apart.
    pub sequence: i64,
}

/// Lines in the order of their time, and where to go on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogPage {
    /// Oldest first, whichever way they were read.
    pub lines: Vec<StoredLogLine>,
}

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
    pub stream: String,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The text.
    pub message: String,
    /// Structured fields, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Value>,
}

impl PostgresLogStore {
    /// The logs in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Lines of these jobs.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn read(&self, jobs: &[JobId], query: LogQuery) -> Result<LogPage, DatabaseError> {
        let client = self.database.client().await?;
        let forward = query.after.is_some();
        let statement = client
            .prepare_cached(if forward { OLDEST_FIRST } else { NEWEST_FIRST })
            .await?;
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let cursor = query.after.or(query.before);
        let (time, sequence) = (cursor.map(|at| at.time), cursor.map_or(0, |at| at.sequence));
        let limit = i64::from(query.limit);
        let rows = client
            .query(&statement, &[&jobs, &time, &sequence, &limit])
            .await?;
        let mut lines: Vec<StoredLogLine> = rows.iter().map(line_of).collect();
        if !forward {
            lines.reverse();
        }
        Ok(LogPage { lines })
    }

    async fn copy(&self, lines: &[LogLine]) -> Result<(), DatabaseError> {
        let client = self.database.client().await?;
        let sink = client.copy_in(COPY).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &COPY_TYPES));
        for line in lines {
            let message = without_nul(&line.message);
            let fields = line.fields.clone().map(clean);
            writer
                .as_mut()
                .write(&[
                    line.job.as_uuid(),
                    &line.time,
                    &line.version.map(|id| *id.as_uuid()),
                    &line.runner.map(|id| *id.as_uuid()),
                    &line.invocation.map(|id| *id.as_uuid()),
                    &stream_name(line.stream),
                    &level_name(line.level),
                    &message.as_ref(),
                    &fields,
                ])
                .await?;
        }
        writer.finish().await?;
        Ok(())
    }
}

#[async_trait]
impl LogStore for PostgresLogStore {
    async fn append(&self, lines: &[LogLine]) -> Result<(), LogError> {
        if lines.is_empty() {
            return Ok(());
        }
        self.copy(lines)
            .await
            .map_err(|error| LogError(error.to_string()))
    }
}

impl LogCursor {
    /// Before every line of this moment.
    #[must_use]
    pub fn at(time: DateTime<Utc>) -> Self {
        Self { time, sequence: 0 }
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.time.timestamp_micros(), self.sequence)
    }
}

/// A text that is neither a cursor nor a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither the cursor of a line nor a time like 2026-01-31T12:00:00Z")]
pub struct NotACursor;

impl FromStr for LogCursor {
    type Err = NotACursor;

    /// Takes what [`fmt::Display`] gives, or a time of RFC 3339.
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::at(time.to_utc()));
        }
        let (micros, sequence) = text.split_once('.').ok_or(NotACursor)?;
        let micros = micros.parse().map_err(|_| NotACursor)?;
        let time = DateTime::from_timestamp_micros(micros).ok_or(NotACursor)?;
        Ok(Self {
            time,
            sequence: sequence.parse().map_err(|_| NotACursor)?,
        })
    }
}

impl Serialize for LogCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn line_of(row: &Row) -> StoredLogLine {
    let time = row.get("time");
    StoredLogLine {
        cursor: LogCursor {
            time,
            sequence: row.get("sequence"),
        },
        time,
        job_id: row.get::<_, Uuid>("job_id").into(),
        version_id: row.get::<_, Option<Uuid>>("version_id").map(VersionId::from),
        runner_id: row.get::<_, Option<Uuid>>("runner_id").map(RunnerId::from),
        invocation_id: row
            .get::<_, Option<Uuid>>("invocation_id")
            .map(InvocationId::from),
        stream: row.get("stream"),
        level: row.get("level"),
        message: row.get("message"),
        fields: row.get("fields"),
    }
}

fn stream_name(stream: OutputStream) -> &'static str {
    match stream {
        OutputStream::Stdout => "stdout",
        OutputStream::Stderr => "stderr",
        OutputStream::System => "system",
    }
}

fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

/// Postgres keeps no NUL in texts; one of them must not cost the whole batch.
fn without_nul(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') {
        text.replace('\0', "\u{fffd}").into()
    } else {
        text.into()
    }
}

fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(clean).collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (without_nul(&key).into_owned(), clean(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_times_are_taken_too() {
        let cursor: LogCursor = "1700000000123456.42".parse().unwrap();
        assert_eq!(cursor.to_string(), "1700000000123456.42");
        assert_eq!(
            "2026-01-31T12:00:00Z".parse::<LogCursor>().unwrap().to_string(),
            "1769860800000000.0"
        );
        assert_eq!("yesterday".parse::<LogCursor>(), Err(NotACursor));
        assert_eq!("1.x".parse::<LogCursor>(), Err(NotACursor));
    }

    #[test]
    fn nul_is_replaced_wherever_it_hides() {
        let dirty = serde_json::json!({"a\0": ["b\0", 1, {"c": "\0"}]});
        let clean_value = serde_json::json!({"a\u{fffd}": ["b\u{fffd}", 1, {"c": "\u{fffd}"}]});
        assert_eq!(clean(dirty), clean_value);
    }
}
