//! Writing the lines, in both ways.

use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jobber::store::PostgresLogStore;
use jobber_actors::domain::JobId;
use jobber_actors::ports::LogStore;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use crate::lines::Lines;

/// Lines of a batch, as the server's sink writes them.
const BATCH: usize = 5_000;
const TABLE: &str = "
    drop table if exists bare_lines;
    create table bare_lines (job_id uuid, time timestamptz, version_id uuid, runner_id uuid, invocation_id uuid, stream text,
                             level text, message text, fields jsonb)";
/// The least that anybody could find lines of a job with.
const INDEX: &str = "create index on bare_lines (job_id, time)";
const COPY: &str = "copy bare_lines from stdin (format binary)";
const COLUMNS: [Type; 9] = [
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

/// Makes the jobs of the lines: those of others are not kept.
pub(crate) async fn jobs(url: &SecretString, lines: &Lines) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let jobs: Vec<_> = lines.jobs.iter().map(JobId::as_uuid).collect();
    let made = "insert into jobs (id, name) select id, id::text from unnest($1::uuid[]) id";
    client.execute(made, &[&jobs]).await?;
    Ok(())
}

/// How many lines each second the driver keeps.
pub(crate) async fn driver(logs: &PostgresLogStore, lines: &Lines, count: usize) -> Result<f64> {
    let mut took = Duration::ZERO;
    for first in (0..count).step_by(BATCH) {
        let batch = lines.some(first, BATCH.min(count - first));
        let begun = Instant::now();
        logs.append(&batch).await?;
        took += begun.elapsed();
    }
    Ok(count as f64 / took.as_secs_f64())
}

/// How many lines each second one `COPY` for each batch writes.
pub(crate) async fn bare(url: &SecretString, lines: &Lines, count: usize, indexed: bool) -> Result<f64> {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await?;
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    client.batch_execute(TABLE).await?;
    if indexed {
        client.batch_execute(INDEX).await?;
    }
    let mut took = Duration::ZERO;
    let mut written = 0;
    for first in (0..count).step_by(BATCH) {
        let batch = lines.some(first, BATCH.min(count - first));
        let begun = Instant::now();
        let sink = client.copy_in(COPY).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &COLUMNS));
        for line in &batch {
            writer
                .as_mut()
                .write(&[
                    line.job.as_uuid(),
                    &line.time,
                    &line.version.map(|id| *id.as_uuid()),
                    &line.runner.map(|id| *id.as_uuid()),
                    &line.invocation.map(|id| *id.as_uuid()),
                    &line.stream.name(),
                    &line.level.name(),
                    &line.message,
                    &line.fields,
                ])
                .await?;
        }
        written += writer.finish().await?;
        took += begun.elapsed();
    }
    ensure!(usize::try_from(written)? == count, "{written} lines were written");
    client.batch_execute("drop table bare_lines").await?;
    Ok(count as f64 / took.as_secs_f64())
}
