//! Finding lines.

use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogLevel, OutputStream};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresLogStore;
use crate::logs::{LogCursor, LogQuery, Span, StoredLogLine};
use crate::store::error::DatabaseError;

/// The lines of some source between two places: `$2` and `$3` are the one after which they are, `$4` and `$5` the one before which
/// they are; the times alone say which partitions are looked at.
macro_rules! span {
    (of $jobs:literal from $source:literal order by $order:literal) => {
        concat!(
            "select sequence, job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields
            from ",
            $source,
            " where ",
            $jobs,
            " and time >= $2 and time <= $4 and (time, sequence) > ($2, $3) and (time, sequence) < ($4, $5)
            order by ",
            $order,
            " offset 0"
        )
    };
}

/// Those of a span that the filters let through, as many as `$6` says. A filter that is not given is null: version, stream, levels, and a
/// text in the message. Its case is folded by the rules of C (A to Z), which is several times as fast as by those of a
/// language. The `offset` keeps Postgres from guessing how many lines fit: it goes through them in order, until it has enough.
macro_rules! filtered {
    ($span:expr, order by $order:literal) => {
        concat!(
            "select * from (",
            $span,
            ") line
            where ($7::uuid is null or version_id = $7)
              and ($8::text is null or stream = $8)
              and ($9::text[] is null or level = any ($9))
              and ($10::text is null or strpos(lower(message collate \"C\"), lower($10 collate \"C\")) > 0)
            order by ",
            $order,
            " limit $6"
        )
    };
}

/// Of each job (`$1`) at most so many lines are read as there may be of all, by its index.
macro_rules! of_jobs {
    (order by $order:literal) => {
        concat!(
            "select line.* from unnest($1::uuid[]) as job (id) cross join lateral (",
            filtered!(
                span!(of "job_id = job.id" from "runner_logs" order by $order),
                order by $order
            ),
            ") line order by ",
            $order,
            " limit $6"
        )
    };
}

/// Those of one invocation (`$11`). The inner `offset` keeps Postgres from looking through all that the job has written instead of
/// using the invocation's index.
macro_rules! of_invocation {
    (order by $order:literal) => {
        filtered!(
            span!(
                of "job_id = any ($1)"
                from "(select * from runner_logs where invocation_id = $11 and time >= $2 and time <= $4 offset 0) line"
                order by $order
            ),
            order by $order
        )
    };
}

const NEWEST_FIRST: &str = of_jobs!(order by "time desc, sequence desc");
const OLDEST_FIRST: &str = of_jobs!(order by "time, sequence");
const NEWEST_OF_INVOCATION: &str = of_invocation!(order by "time desc, sequence desc");
const OLDEST_OF_INVOCATION: &str = of_invocation!(order by "time, sequence");

/// When a job's first and last line within some time were written.
const BOUNDS: &str =
    "select min(time), max(time) from runner_logs where job_id = $1 and time >= $2 and time <= $3";

impl PostgresLogStore {
    /// The lines of a query. A text is looked for in two parts of the lines at once: that is all work of one processor
    /// otherwise.
    pub(super) async fn select(
        &self,
        jobs: &[JobId],
        query: &LogQuery,
    ) -> Result<Vec<StoredLogLine>, DatabaseError> {
        let span = query.span();
        if query.filter.text.is_none() || query.filter.invocation.is_some() {
            return self.lines(jobs, span, query).await;
        }
        if let [job] = jobs {
            let Some(middle) = self.middle(*job, span).await? else {
                return self.lines(jobs, span, query).await;
            };
            let (older, newer) = span.parted(middle);
            let (older, newer) =
                tokio::try_join!(self.lines(jobs, older, query), self.lines(jobs, newer, query))?;
            return Ok(merged(older, newer, query));
        }
        let (some, others) = jobs.split_at(jobs.len() / 2);
        let (some, others) =
            tokio::try_join!(self.lines(some, span, query), self.lines(others, span, query))?;
        Ok(merged(some, others, query))
    }

    /// The moment in the middle between the first and the last line of a job within a span; `None` if they are of one moment, or
    /// there are none.
    async fn middle(&self, job: JobId, span: Span) -> Result<Option<DateTime<Utc>>, DatabaseError> {
        let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
            (job.as_uuid(), Type::UUID),
            (&span.above.time, Type::TIMESTAMPTZ),
            (&span.below.time, Type::TIMESTAMPTZ),
        ];
        let client = self.database.client().await?;
        let rows = client.query_typed(BOUNDS, &parameters).await?;
        let bound = |column| {
            rows.first()
                .and_then(|row| row.get::<_, Option<DateTime<Utc>>>(column))
        };
        let (Some(first), Some(last)) = (bound(0), bound(1)) else {
            return Ok(None);
        };
        Ok((last > first).then(|| first + (last - first) / 2))
    }

    /// The lines of a part of a query, the oldest first.
    async fn lines(
        &self,
        jobs: &[JobId],
        span: Span,
        query: &LogQuery,
    ) -> Result<Vec<StoredLogLine>, DatabaseError> {
        let filter = &query.filter;
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let limit = i64::from(query.limit);
        let version = filter.version.map(|id| *id.as_uuid());
        let stream = filter.stream.map(OutputStream::name);
        let levels = filter.levels();
        let invocation = filter.invocation.map(|id| *id.as_uuid());
        let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![
            (&jobs, Type::UUID_ARRAY),
            (&span.above.time, Type::TIMESTAMPTZ),
            (&span.above.sequence, Type::INT8),
            (&span.below.time, Type::TIMESTAMPTZ),
            (&span.below.sequence, Type::INT8),
            (&limit, Type::INT8),
            (&version, Type::UUID),
            (&stream, Type::TEXT),
            (&levels, Type::TEXT_ARRAY),
            (&filter.text, Type::TEXT),
        ];
        let statement = match (&invocation, query.is_forward()) {
            (None, true) => OLDEST_FIRST,
            (None, false) => NEWEST_FIRST,
            (Some(_), true) => OLDEST_OF_INVOCATION,
            (Some(_), false) => NEWEST_OF_INVOCATION,
        };
        if invocation.is_some() {
            parameters.push((&invocation, Type::UUID));
        }
        let client = self.database.client().await?;
        // Planned for these very values each time: which filters are given makes another query of it.
        let rows = client.query_typed(statement, &parameters).await?;
        let mut lines = rows.iter().map(line_of).collect::<Result<Vec<_>, _>>()?;
        if !query.is_forward() {
            lines.reverse();
        }
        Ok(lines)
    }
}

/// As many of the lines of two parts as are wanted, from the side that is wanted.
fn merged(mut lines: Vec<StoredLogLine>, others: Vec<StoredLogLine>, query: &LogQuery) -> Vec<StoredLogLine> {
    lines.extend(others);
    lines.sort_by_key(|line| line.cursor);
    let surplus = lines.len().saturating_sub(usize::from(query.limit));
    if query.is_forward() {
        lines.truncate(lines.len() - surplus);
    } else {
        lines.drain(..surplus);
    }
    lines
}

fn line_of(row: &Row) -> Result<StoredLogLine, DatabaseError> {
    let time = row.get("time");
    let (stream, level): (&str, &str) = (row.get("stream"), row.get("level"));
    let unknown = |what: &str| DatabaseError::Unexpected(format!("a line of the log has {what:?}"));
    Ok(StoredLogLine {
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
        stream: OutputStream::from_name(stream).ok_or_else(|| unknown(stream))?,
        level: LogLevel::from_name(level).ok_or_else(|| unknown(level))?,
        message: row.get("message"),
        fields: row.get("fields"),
    })
}
