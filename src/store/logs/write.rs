//! Keeping lines.

use std::pin::pin;

use jobber_actors::ports::LogLine;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::PostgresLogStore;
use crate::store::error::DatabaseError;
use crate::text::{clean, without_nul};

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

impl PostgresLogStore {
    pub(super) async fn copy(&self, lines: &[LogLine]) -> Result<(), DatabaseError> {
        let days = lines.iter().map(|line| line.time.date_naive());
        self.partitions.provide(days).await?;
        let client = self.database.client().await?;
        let sink = client.copy_in(COPY).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &COPY_TYPES));
        // Those of one job stand together then, and whoever reads them finds many in each block that is fetched. Within a job they stay
        // in order.
        let mut by_job: Vec<&LogLine> = lines.iter().collect();
        by_job.sort_by_key(|line| line.job);
        for line in by_job {
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
                    &line.stream.name(),
                    &line.level.name(),
                    &message.as_ref(),
                    &fields,
                ])
                .await?;
        }
        writer.finish().await?;
        Ok(())
    }
}
