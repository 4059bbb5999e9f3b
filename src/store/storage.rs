//! How much each job keeps, in Postgres and as archives.

use std::collections::HashMap;

use jobber_actors::domain::JobId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;

/// Tables of what happened are counted row by row up to this size, all their days together; beyond, their rows are estimated.
const MOST_COUNTED_BYTES: i64 = 64 << 20;

/// What is known exactly, since it is kept up to date or is little. An archive that several versions share counts once.
const KEPT: &str = "
    select j.id,
           (select count(*) from versions v where v.job_id = j.id) as versions,
           (select coalesce(sum(a.packed_bytes), 0)::bigint
            from (select distinct on (v.archive) v.packed_bytes from versions v where v.job_id = j.id) a) as archive_bytes,
           (select coalesce(sum(u.keys), 0)::bigint from job_store_usage u where u.job_id = j.id) as store_items,
           (select coalesce(sum(u.bytes), 0)::bigint from job_store_usage u where u.job_id = j.id) as store_bytes,
           coalesce((select u.rows from delivery_usage u where u.job_id = j.id), 0) as deliveries,
           coalesce((select u.bytes from delivery_usage u where u.job_id = j.id), 0) as delivery_bytes
    from jobs j where j.id = any ($1)";
/// Bytes of all days of a table, with its indexes.
const SIZE: &str = "
    select coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint as bytes from pg_inherits where inhparent = $1::text::regclass";
/// How many rows each job has in a table, and how many there are, by what the last look of autovacuum at each day found: jobs that are
/// rare in a day may be missing. A day that it has not looked at yet has none.
const ESTIMATE: &str = "
    with days as (
        select c.relname, c.relnamespace::regnamespace::text as namespace, greatest(c.reltuples, 0)::float8 as rows
        from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::text::regclass)
    select null::uuid as job_id, coalesce(sum(rows), 0)::bigint as rows from days
    union all
    select s.job_id, sum(s.share * d.rows)::bigint
    from days d join pg_stats p on p.schemaname = d.namespace and p.tablename = d.relname and p.attname = 'job_id'
         cross join lateral unnest(p.most_common_vals::text::uuid[], p.most_common_freqs) as s (job_id, share)
    group by s.job_id";
const COUNT_LINES: &str = "select job_id, count(*) as rows from runner_logs group by job_id";
const COUNT_INVOCATIONS: &str = "select job_id, count(*) as rows from invocations group by job_id";

/// How much a job keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOfJob {
    /// The job.
    pub job: JobId,
    /// How many versions it has.
    pub versions: i64,
    /// Bytes of their archives, packed.
    pub archive_bytes: i64,
    /// Items in its store.
    pub store_items: i64,
    /// Bytes of them.
    pub store_bytes: i64,
    /// Deliveries in the durable queue, dead letters included.
    pub deliveries: i64,
    /// Bytes of them.
    pub delivery_bytes: i64,
    /// Its log.
    pub log: Share,
    /// The record of its invocations.
    pub invocations: Share,
}

/// What of a table is a job's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Rows.
    pub rows: i64,
    /// Bytes on disk: as large a part of the table, indexes included, as the rows are of all rows.
    pub bytes: i64,
}

/// How much jobs keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Of each job.
    pub jobs: Vec<StorageOfJob>,
    /// Whether log lines were estimated, not counted.
    pub log_estimated: bool,
    /// Whether invocations were.
    pub invocations_estimated: bool,
}

/// The rows of a table by job.
#[derive(Debug, Default)]
struct Table {
    bytes: i64,
    all: i64,
    by_job: HashMap<JobId, i64>,
    estimated: bool,
}

impl Table {
    fn share(&self, job: JobId) -> Share {
        let rows = self.by_job.get(&job).copied().unwrap_or_default();
        let part = if self.all > 0 {
            rows as f64 / self.all as f64
        } else {
            0.0
        };
        Share {
            rows,
            // Exact up to petabytes.
            bytes: (self.bytes as f64 * part.min(1.0)).round() as i64,
        }
    }
}

/// How much each of these jobs keeps. What was recorded of invocations includes the input and output that was captured.
///
/// # Errors
/// [`DatabaseError`].
pub async fn storage(database: &Database, jobs: &[JobId]) -> Result<Storage, DatabaseError> {
    let log = table(database, "runner_logs", COUNT_LINES).await?;
    let mut records = table(database, "invocations", COUNT_INVOCATIONS).await?;
    records.bytes += size(database, "invocation_payloads").await?;
    let ids: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
    let client = database.client().await?;
    let statement = client.prepare_cached(KEPT).await?;
    let rows = client.query(&statement, &[&ids]).await?;
    let of_job = |row: &Row| {
        let job: JobId = row.get::<_, Uuid>("id").into();
        StorageOfJob {
            job,
            versions: row.get("versions"),
            archive_bytes: row.get("archive_bytes"),
            store_items: row.get("store_items"),
            store_bytes: row.get("store_bytes"),
            deliveries: row.get("deliveries"),
            delivery_bytes: row.get("delivery_bytes"),
            log: log.share(job),
            invocations: records.share(job),
        }
    };
    Ok(Storage {
        jobs: rows.iter().map(of_job).collect(),
        log_estimated: log.estimated,
        invocations_estimated: records.estimated,
    })
}

async fn size(database: &Database, table: &str) -> Result<i64, DatabaseError> {
    let client = database.client().await?;
    let statement = client.prepare_cached(SIZE).await?;
    Ok(client.query_one(&statement, &[&table]).await?.get("bytes"))
}

async fn table(database: &Database, name: &str, count: &str) -> Result<Table, DatabaseError> {
    let bytes = size(database, name).await?;
    let estimated = bytes > MOST_COUNTED_BYTES;
    let client = database.client().await?;
    let rows = if estimated {
        let statement = client.prepare_cached(ESTIMATE).await?;
        client.query(&statement, &[&name]).await?
    } else {
        let statement = client.prepare_cached(count).await?;
        client.query(&statement, &[]).await?
    };
    let mut table = Table {
        bytes,
        estimated,
        ..Table::default()
    };
    for row in rows {
        let rows = row.get("rows");
        match row.get::<_, Option<Uuid>>("job_id") {
            Some(job) => {
                table.by_job.insert(job.into(), rows);
            }
            None => table.all = rows,
        }
    }
    if !estimated {
        table.all = table.by_job.values().sum();
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_as_much_of_a_table_as_of_its_rows() {
        let (one, other) = (JobId::generate(), JobId::generate());
        let table = Table {
            bytes: 1_000,
            all: 40,
            by_job: HashMap::from([(one, 10)]),
            estimated: true,
        };
        assert_eq!(table.share(one), Share { rows: 10, bytes: 250 });
        assert_eq!(table.share(other), Share::default());
        assert_eq!(Table::default().share(one), Share::default());
    }
}
