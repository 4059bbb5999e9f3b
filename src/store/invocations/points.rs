//! Points of a chart of many invocations: a sample of them that keeps what stands out.

use chrono::{DateTime, Utc};
use jobber_actors::domain::JobId;
use tokio_postgres::types::ToSql;

use super::PostgresInvocations;
use super::list::{CONDITIONS, InvocationFilter, Parameters};
use crate::store::error::DatabaseError;

/// Most attempts that are looked at, the newest ones.
const MOST_LOOKED_AT: i64 = 200_000;
/// Up to so many, all are points.
const MOST_POINTS: i64 = 2_000;
/// Into how many parts their time is divided; each has points of its own. Rounding adds one.
const PARTS: f64 = 90.0;
/// About how many points a part has of what was no success, and of the rest, besides the slowest one of each.
const OF_TROUBLE: i64 = 6;
const OF_REST: i64 = 14;

/// An attempt as a point.
#[derive(Clone, Debug, PartialEq)]
pub struct InvocationPoint {
    /// When it was admitted.
    pub queued: DateTime<Utc>,
    /// Milliseconds from its admission to its end.
    pub duration_ms: f64,
    /// How it ended.
    pub status: String,
}

/// Points that stand for the attempts that a filter finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InvocationPoints {
    /// How many attempts were looked at.
    pub total: i64,
    /// Whether these were all that the filter finds; else they are the newest 200,000.
    pub complete: bool,
    /// The first one first.
    pub points: Vec<InvocationPoint>,
}

/// What an attempt is besides a point goes into one number, so that the rows are small: microseconds, and 20 bits of its id's hash,
/// which say at which share of a part it is taken. The same attempts are taken whenever it is asked.
fn select(of_jobs: &str, trouble: &str) -> String {
    format!(
        "with found as materialized (
            select queued_at, date_part('epoch', queued_at) as at, status,
                   status <> all ('{{succeeded,cancelled,skipped}}') as bad,
                   (least(greatest(date_part('epoch', ended_at - queued_at) * 1000000, 0), 4e12))::bigint * 1048576
                       + (uuid_hash(id) & 1048575) as place
            from invocations where {of_jobs} and ended_at is not null and {CONDITIONS}{trouble}
            order by id desc limit {MOST_LOOKED_AT} + 1),
         span as (
            select count(*) as total, min(at) as least, (max(at) - min(at) + 0.001) / {PARTS} as width from found),
         parts as (
            select ((at - least) / width)::integer as part, bad, max(place) as slowest,
                   ceil(count(*)::float8 / case when bad then {OF_TROUBLE} else {OF_REST} end)::bigint as step
            from found, span group by 1, 2)
         select queued_at, (place / 1048576) / 1000.0::float8 as duration_ms, status, total
         from found cross join span join parts on parts.part = ((at - least) / width)::integer and parts.bad = found.bad
         where total <= {MOST_POINTS} or place = slowest or (place & 1048575) % step = 0
         order by queued_at"
    )
}

impl PostgresInvocations {
    /// Points that stand for the ended attempts at invocations of these jobs. Of up to 2,000 each is one; of more, there are
    /// about as many, spread evenly over their time, and in each part of it the slowest one and what was no success come first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn points(
        &self,
        jobs: &[JobId],
        filter: &InvocationFilter,
    ) -> Result<InvocationPoints, DatabaseError> {
        let ids: Vec<_> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let parameters = Parameters::of(filter);
        let (of_jobs, only): (&(dyn ToSql + Sync), _) = match &ids[..] {
            [job] => (job, "job_id = $1"),
            _ => (&ids, "job_id = any ($1)"),
        };
        let client = self.database.client().await?;
        let select = select(only, filter.trouble());
        let statement = client.prepare_cached(&select).await?;
        let rows = client.query(&statement, &parameters.conditions(of_jobs)).await?;
        let found = rows.first().map_or(0, |row| row.get("total"));
        Ok(InvocationPoints {
            total: found.min(MOST_LOOKED_AT),
            complete: found <= MOST_LOOKED_AT,
            points: rows
                .iter()
                .map(|row| InvocationPoint {
                    queued: row.get("queued_at"),
                    duration_ms: row.get("duration_ms"),
                    status: row.get("status"),
                })
                .collect(),
        })
    }
}
