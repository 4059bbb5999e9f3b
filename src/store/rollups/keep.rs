//! Writing rollups.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jobber_actors::domain::ServerId;
use jobber_actors::metrics::{HistogramView, Rollup};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresRollups;
use crate::store::error::DatabaseError;

/// Most rows of one statement.
const BATCH: usize = 1_000;
/// A row is written as a whole: should it be there already, because an answer was lost, it says the same. Arrays come as texts, for
/// `unnest` would take them apart, too.
const KEEP: &str = "
    insert into metric_rollups (
        minute, job_id, kind, server_id, succeeded, failed, lost, timed_out, refused, cancelled, turned_away, cold_starts, cold_us,
        total_us, queue_us, handler_us, total, queue, handler, most_waiting, most_running, most_runners,
        total_max_us, queue_max_us, handler_max_us)
    select minute, job, kind, $2, succeeded, failed, lost, timed_out, refused, cancelled, turned_away, cold_starts, cold_us,
        total_us, queue_us, handler_us, total::bigint[], queue::bigint[], handler::bigint[], waiting, running, runners,
        total_max_us, queue_max_us, handler_max_us
    from unnest($1::timestamptz[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
        $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[],
        $18::text[], $19::text[], $20::integer[], $21::integer[], $22::integer[], $23::bigint[], $24::bigint[], $25::bigint[])
        as rollup (minute, job, kind, succeeded, failed, lost, timed_out, refused, cancelled, turned_away, cold_starts, cold_us,
            total_us, queue_us, handler_us, total, queue, handler, waiting, running, runners,
            total_max_us, queue_max_us, handler_max_us)
    on conflict (job_id, minute, kind, server_id) do update set
        succeeded = excluded.succeeded, failed = excluded.failed, lost = excluded.lost, timed_out = excluded.timed_out,
        refused = excluded.refused, cancelled = excluded.cancelled, turned_away = excluded.turned_away,
        cold_starts = excluded.cold_starts, cold_us = excluded.cold_us, total_us = excluded.total_us, queue_us = excluded.queue_us,
        handler_us = excluded.handler_us, total = excluded.total, queue = excluded.queue, handler = excluded.handler,
        most_waiting = excluded.most_waiting, most_running = excluded.most_running, most_runners = excluded.most_runners,
        total_max_us = excluded.total_max_us, queue_max_us = excluded.queue_max_us, handler_max_us = excluded.handler_max_us";

impl PostgresRollups {
    /// Keeps what one life of a server has counted. May be done again with the same.
    ///
    /// # Errors
    /// [`DatabaseError`]; some of it may be kept then.
    pub async fn keep(&self, server: ServerId, rollups: &[Rollup]) -> Result<(), DatabaseError> {
        let days = rollups.iter().map(|rollup| rollup.minute.date_naive());
        self.partitions.provide(days).await?;
        for part in rollups.chunks(BATCH) {
            let kept = self.keep_part(server, part).await;
            if let Err(error) = &kept
                && error.sql_state() == Some(&SqlState::CHECK_VIOLATION)
            {
                // A partition is gone that was there: it is made again for the next try.
                self.partitions.forget();
            }
            kept?;
        }
        Ok(())
    }

    async fn keep_part(&self, server: ServerId, rollups: &[Rollup]) -> Result<(), DatabaseError> {
        let minutes: Vec<DateTime<Utc>> = rollups.iter().map(|rollup| rollup.minute).collect();
        let jobs: Vec<Uuid> = rollups.iter().map(|rollup| *rollup.job.as_uuid()).collect();
        let kinds: Vec<&str> = rollups.iter().map(|rollup| rollup.kind).collect();
        let counts = columns(rollups, |rollup| {
            let [succeeded, failed, lost, timed_out, refused, cancelled] = rollup.endings;
            [
                succeeded,
                failed,
                lost,
                timed_out,
                refused,
                cancelled,
                rollup.turned_away,
                rollup.cold_starts,
                microseconds(rollup.cold_wait),
                microseconds(rollup.total.sum),
                microseconds(rollup.queue.sum),
                microseconds(rollup.handler.sum),
            ]
            .map(|count| i64::try_from(count).unwrap_or(i64::MAX))
        });
        let times = columns(rollups, |rollup| {
            [&rollup.total, &rollup.queue, &rollup.handler].map(array)
        });
        let levels = columns(rollups, |rollup| {
            let levels = rollup.levels;
            [levels.waiting, levels.running, levels.runners]
                .map(|level| i32::try_from(level).unwrap_or(i32::MAX))
        });
        let longest = columns(rollups, |rollup| {
            [&rollup.total, &rollup.queue, &rollup.handler].map(longest)
        });
        let server = *server.as_uuid();
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&minutes, &server, &jobs, &kinds];
        parameters.extend(counts.iter().map(|column| column as &(dyn ToSql + Sync)));
        parameters.extend(times.iter().map(|column| column as &(dyn ToSql + Sync)));
        parameters.extend(levels.iter().map(|column| column as &(dyn ToSql + Sync)));
        parameters.extend(longest.iter().map(|column| column as &(dyn ToSql + Sync)));
        let client = self.database.client().await?;
        let statement = client.prepare_cached(KEEP).await?;
        client.execute(&statement, &parameters).await?;
        Ok(())
    }
}

/// Rows as columns.
fn columns<T, const N: usize>(rollups: &[Rollup], row: impl Fn(&Rollup) -> [T; N]) -> [Vec<T>; N] {
    let mut columns: [Vec<T>; N] = std::array::from_fn(|_| Vec::with_capacity(rollups.len()));
    for rollup in rollups {
        for (column, value) in columns.iter_mut().zip(row(rollup)) {
            column.push(value);
        }
    }
    columns
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The longest, in microseconds begun: rounded down it would be less than what it bounds.
fn longest(times: &HistogramView) -> Option<i64> {
    let microseconds = times.longest?.as_nanos().div_ceil(1_000);
    Some(i64::try_from(microseconds).unwrap_or(i64::MAX))
}

/// An array as Postgres writes it.
fn array(times: &HistogramView) -> String {
    let counts: Vec<String> = times.counts.iter().map(u64::to_string).collect();
    format!("{{{}}}", counts.join(","))
}
