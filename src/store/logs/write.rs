//! Keeping lines.

use std::collections::HashSet;
use std::pin::{Pin, pin};

use chrono::NaiveDate;
use deadpool_postgres::{Client, Transaction};
use jobber_actors::domain::JobId;
use jobber_actors::ports::LogLine;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::PostgresLogStore;
use crate::store::database::Database;
use crate::store::error::DatabaseError;
use crate::text::{clean, without_nul};

const COLUMNS: &str = "job_id, time, version_id, runner_id, invocation_id, stream, level, message, fields";
const COLUMN_TYPES: [Type; 9] = [
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

/// Those of some jobs that there are. They can not be removed before what is written for them is, which then is removed with them.
const JOBS: &str = "select id from jobs where id = any($1) order by id for key share";

impl PostgresLogStore {
    pub(super) async fn copy(&self, lines: &[LogLine]) -> Result<(), DatabaseError> {
        self.partitions.provide(lines.iter().map(day_of)).await?;
        let mut client = self.database.client().await?;
        let copied = self.copy_by(&mut client, lines).await;
        if copied.is_err() {
            Database::abandon(client);
        }
        copied
    }

    /// All or none: a batch that could not be kept comes again as a whole. Lines of a job that was removed meanwhile are not kept.
    async fn copy_by(&self, client: &mut Client, lines: &[LogLine]) -> Result<(), DatabaseError> {
        let transaction = client.transaction().await?;
        let jobs = jobs_of(&transaction, lines).await?;
        // Straight into their day's partitions: Postgres need not find out which of each of them. Those of one job stand together then,
        // and whoever reads them finds many in each block that is fetched. Within a job they stay in order.
        let mut sorted: Vec<&LogLine> = lines.iter().filter(|line| jobs.contains(&line.job)).collect();
        sorted.sort_by_key(|line| (day_of(line), line.job));
        for of_day in sorted.chunk_by(|one, next| day_of(one) == day_of(next)) {
            let partition = self.partitions.of(day_of(of_day[0]));
            let copy = format!("copy {partition} ({COLUMNS}) from stdin (format binary)");
            let sink = transaction.copy_in(&copy).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(sink, &COLUMN_TYPES));
            for line in of_day {
                // A batch is thousands of rows: the sessions that share this thread go on meanwhile.
                tokio::task::consume_budget().await;
                write_line(writer.as_mut(), line).await?;
            }
            writer.finish().await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn jobs_of(transaction: &Transaction<'_>, lines: &[LogLine]) -> Result<HashSet<JobId>, DatabaseError> {
    let jobs: HashSet<JobId> = lines.iter().map(|line| line.job).collect();
    let jobs: Vec<&Uuid> = jobs.iter().map(JobId::as_uuid).collect();
    let statement = transaction.prepare_cached(JOBS).await?;
    let rows = transaction.query(&statement, &[&jobs]).await?;
    Ok(rows.iter().map(|row| row.get::<_, Uuid>("id").into()).collect())
}

fn day_of(line: &LogLine) -> NaiveDate {
    line.time.date_naive()
}

async fn write_line(writer: Pin<&mut BinaryCopyInWriter>, line: &LogLine) -> Result<(), DatabaseError> {
    let message = without_nul(&line.message);
    let fields = line.fields.clone().map(clean);
    writer
        .write(&[
            line.job.as_uuid(),
            &line.time,
            &line.version.map(|id| *id.as_uuid()),
            &line.runner.map(|id| *id.as_uuid()),
            &line.invocation.map(|id| *id.as_uuid()),
            &line.stream.name(),
            &line.level.name(),
            &message.as_ref(),
            &fields,
        ])
        .await?;
    Ok(())
}
