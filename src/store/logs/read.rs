//! Finding lines.

use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogLevel, OutputStream};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::PostgresLogStore;
use crate::logs::{LogCursor, LogQuery, StoredLogLine};
use crate::store::error::DatabaseError;

/// Which lines of some source are meant. `$2` and `$3` are the place after which they are, `$4` and `$5` the one before which they
/// are; the times alone say which partitions are looked at. `$6` is how many. Then come the filters, null for those that are not
/// given: version, stream, levels, and a pattern of the message. Its case is folded by the rules of C (A to Z), which is several
/// times as fast as by those of a language.
macro_rules! lines {
    (of $jobs:literal from $source:literal order by $order:literal) => {
        concat!(
            "select sequence, job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields
            from ",
            $source,
            " where ",
            $jobs,
            " and time >= $2 and time <= $4 and (time, sequence) > ($2, $3) and (time, sequence) < ($4, $5)
              and ($7::uuid is null or version_id = $7)
              and ($8::text is null or stream = $8)
              and ($9::text[] is null or level = any ($9))
              and ($10::text is null or message collate \"C\" ilike $10)
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
            lines!(of "job_id = job.id" from "runner_logs" order by $order),
            ") line order by ",
            $order,
            " limit $6"
        )
    };
}

/// Those of one invocation (`$11`). The `offset` keeps Postgres from looking through all that the job has written instead of using
/// the invocation's index.
macro_rules! of_invocation {
    (order by $order:literal) => {
        lines!(
            of "job_id = any ($1)"
            from "(select * from runner_logs where invocation_id = $11 and time >= $2 and time <= $4 offset 0) line"
            order by $order
        )
    };
}

const NEWEST_FIRST: &str = of_jobs!(order by "time desc, sequence desc");
const OLDEST_FIRST: &str = of_jobs!(order by "time, sequence");
const NEWEST_OF_INVOCATION: &str = of_invocation!(order by "time desc, sequence desc");
const OLDEST_OF_INVOCATION: &str = of_invocation!(order by "time, sequence");

impl PostgresLogStore {
    pub(super) async fn select(
        &self,
        jobs: &[JobId],
        query: &LogQuery,
    ) -> Result<Vec<StoredLogLine>, DatabaseError> {
        let filter = &query.filter;
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let span = query.span();
        let limit = i64::from(query.limit);
        let version = filter.version.map(|id| *id.as_uuid());
        let stream = filter.stream.map(OutputStream::name);
        let levels = filter.levels();
        let pattern = filter.text.as_deref().map(pattern_of);
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
            (&pattern, Type::TEXT),
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

/// A pattern that fits every text with this one in it.
fn pattern_of(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_pattern_means_itself() {
        assert_eq!(pattern_of(r"50%_\x"), r"%50\%\_\\x%");
    }
}
