//! Numbers about everything, for metrics.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::database::Database;
use super::error::DatabaseError;

const JOBS: &str = "select count(*) filter (where enabled) as enabled, count(*) filter (where not enabled) as disabled from jobs";
/// Each part is answered by an index.
const QUEUES: &str = "
    select j.name, u.rows, u.bytes, u.calls,
        (select count(*) from deliveries d where d.job_id = u.job_id and d.state = 'dead') as dead,
        (select greatest(extract(epoch from now() - min(d.due_at)), 0)::float8
         from deliveries d where d.job_id = u.job_id and d.state = 'due') as oldest
    from delivery_usage u join jobs j on j.id = u.job_id where u.rows > 0 order by j.name";

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
#[derive(Clone, Debug, PartialEq)]
pub struct QueueUsage {
    /// The job's name.
    pub job: String,
    /// Deliveries.
    pub deliveries: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// Those of them that are asynchronous calls.
    pub calls: i64,
    /// Of them, those that were given up.
    pub dead: i64,
    /// Seconds since when the longest one has been due; zero while none is.
    pub oldest_seconds: f64,
}

/// Numbers from the database.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredFigures {
    /// How many jobs there are.
    pub jobs: JobCounts,
    /// The jobs that have something in the durable queue.
    pub queues: Vec<QueueUsage>,
    /// Results of asynchronous calls that are still to be posted.
    pub callbacks: i64,
}

/// Asks for the numbers not oftener than need be, whoever wants them: dead letters have to be counted. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FigureCache {
    database: Database,
    read: Arc<Mutex<Option<(Instant, StoredFigures)>>>,
}

impl FigureCache {
    /// Numbers that are older than this are asked for again.
    pub const AGE: Duration = Duration::from_secs(5);

    /// Of this database; nothing is asked yet.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            read: Arc::default(),
        }
    }

    /// The numbers, as they were not long ago. Whoever asks at the same time waits for the same answer.
    ///
    /// # Errors
    /// [`DatabaseError`]; the next one asks again.
    pub async fn get(&self) -> Result<StoredFigures, DatabaseError> {
        let mut read = self.read.lock().await;
        if let Some((at, figures)) = &*read
            && at.elapsed() < Self::AGE
        {
            return Ok(figures.clone());
        }
        let figures = figures(&self.database).await?;
        *read = Some((Instant::now(), figures.clone()));
        Ok(figures)
    }
}

async fn figures(database: &Database) -> Result<StoredFigures, DatabaseError> {
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
        dead: row.get("dead"),
        oldest_seconds: row.get::<_, Option<f64>>("oldest").unwrap_or_default(),
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
