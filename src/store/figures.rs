//! Numbers about everything, for metrics.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::database::Database;
use super::error::DatabaseError;

const JOBS: &str = "select count(*) filter (where enabled) as enabled, count(*) filter (where not enabled) as disabled from jobs";
const QUEUES: &str = "
    select j.name, u.rows, u.bytes, u.calls from delivery_usage u join jobs j on j.id = u.job_id where u.rows > 0 order by j.name";
/// A partial index has just these.
const CALLBACKS: &str = "select count(*) from async_calls where callback_state = 'pending'";

/// How many jobs there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobCounts {
    /// Those that may serve.
    pub enabled: i64,
    /// Those that may not.
    pub disabled: i64,
}

/// What a job has in the durable queue, dead letters included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUsage {
    /// The job's name.
    pub job: String,
    /// Deliveries.
    pub deliveries: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// Those of them that are asynchronous calls.
    pub calls: i64,
}

/// Numbers from the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredFigures {
    /// How many jobs there are.
    pub jobs: JobCounts,
    /// The jobs that have something in the durable queue.
    pub queues: Vec<QueueUsage>,
    /// Results of asynchronous calls that are still to be posted.
    pub callbacks: i64,
}

/// Reads the numbers. Cheap to ask for: it counts no deliveries.
///
/// # Errors
/// [`DatabaseError`].
pub async fn figures(database: &Database) -> Result<StoredFigures, DatabaseError> {
    let client = database.client().await?;
    let statement = client.prepare_cached(JOBS).await?;
    let jobs = client.query_one(&statement, &[]).await?;
    let statement = client.prepare_cached(QUEUES).await?;
    let queues = client.query(&statement, &[]).await?;
    let statement = client.prepare_cached(CALLBACKS).await?;
    let callbacks = client.query_one(&statement, &[]).await?.get(0);
    let usage = |row: &Row| QueueUsage {
        job: row.get("name"),
        deliveries: row.get("rows"),
        bytes: row.get("bytes"),
        calls: row.get("calls"),
    };
    Ok(StoredFigures {
        jobs: JobCounts {
            enabled: jobs.get("enabled"),
            disabled: jobs.get("disabled"),
        },
        queues: queues.iter().map(usage).collect(),
        callbacks,
    })
}
