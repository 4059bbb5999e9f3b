//! Writing records.
//!
//! Nearly all of them are new, and are copied straight into their table. Those of which something was put down before go by way of
//! a temporary table, and so does a batch of which some turn out to be there already: it was written, and the answer was lost.

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{NaiveDate, Utc};
use deadpool_postgres::Client;
use jobber_actors::domain::{InvocationId, ServerId};
use jobber_actors::invocation::ByHand;
use jobber_actors::ports::{InvocationRecord, InvocationStore, InvocationStoreError};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Transaction;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::{PostgresInvocations, made};
use crate::store::database::Database;
use crate::store::error::DatabaseError;
use crate::text::{clean, without_nul};

const RECORD_COLUMNS: &str = "
    id, attempt, job_id, version_id, trigger_id, trigger_name, kind, subject, status, queued_at, started_at, ended_at, runner_id,
    connect_ms, load_ms, input_bytes, output_bytes, peak_memory, http_status, error_code, error_name, error_message, replay_of,
    server_id, captured";
const RECORD_TYPES: [Type; 25] = [
    Type::UUID,
    Type::INT4,
    Type::UUID,
    Type::UUID,
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::UUID,
    Type::INT4,
    Type::INT4,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT2,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::UUID,
    Type::UUID,
    Type::BOOL,
];
const PAYLOAD_COLUMNS: &str =
    "id, attempt, input, input_body, input_truncated, output, output_body, output_truncated";
const PAYLOAD_TYPES: [Type; 8] = [
    Type::UUID,
    Type::INT4,
    Type::JSONB,
    Type::BYTEA,
    Type::BOOL,
    Type::JSONB,
    Type::BYTEA,
    Type::BOOL,
];
/// Where records wait that may be there already. Of the connection, and empty at the end of each transaction.
const INCOMING: Tables<'static> = Tables {
    records: "incoming_invocations",
    payloads: "incoming_payloads",
};
const MAKE_INCOMING: &str = "
    create temp table if not exists incoming_invocations (like invocations) on commit delete rows;
    create temp table if not exists incoming_payloads (like invocation_payloads) on commit delete rows";
/// The last of a batch counts; a final one stays.
const MERGE: &str = "
    insert into invocations
    select distinct on (id, attempt) * from incoming_invocations order by id, attempt, (ended_at is null), started_at nulls last
    on conflict (id, attempt) do update set
        status = excluded.status, started_at = excluded.started_at, ended_at = excluded.ended_at,
        runner_id = excluded.runner_id, connect_ms = excluded.connect_ms, load_ms = excluded.load_ms,
        input_bytes = excluded.input_bytes, output_bytes = excluded.output_bytes, peak_memory = excluded.peak_memory,
        http_status = excluded.http_status,
        error_code = excluded.error_code, error_name = excluded.error_name, error_message = excluded.error_message,
        captured = excluded.captured
    where invocations.status in ('queued', 'running')
       or (invocations.status = 'lost' and invocations.error_code = 'server-lost')";
const MERGE_PAYLOADS: &str = "
    insert into invocation_payloads
    select distinct on (id, attempt) * from incoming_payloads order by id, attempt
    on conflict (id, attempt) do nothing";

#[async_trait]
impl InvocationStore for PostgresInvocations {
    async fn append(
        &self,
        server: ServerId,
        records: &[InvocationRecord],
    ) -> Result<(), InvocationStoreError> {
        let kept = match self.keep(server, records, Way::Straight).await {
            Err(error) if error.sql_state() == Some(&SqlState::UNIQUE_VIOLATION) => {
                self.keep(server, records, Way::Merged).await
            }
            kept => kept,
        };
        kept.map_err(|error| {
            let state = error.sql_state();
            if state == Some(&SqlState::UNDEFINED_TABLE) || state == Some(&SqlState::CHECK_VIOLATION) {
                // A partition is gone that was there: it is made again for the next try.
                self.records.forget();
                self.payloads.forget();
            }
            InvocationStoreError(error.to_string())
        })
    }
}

/// Where records and what was captured of them are copied to.
#[derive(Clone, Copy)]
struct Tables<'a> {
    records: &'a str,
    payloads: &'a str,
}

/// How records get into their table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Those that are new directly.
    Straight,
    /// All by way of the temporary table.
    Merged,
}

impl PostgresInvocations {
    async fn keep(
        &self,
        server: ServerId,
        records: &[InvocationRecord],
        way: Way,
    ) -> Result<(), DatabaseError> {
        let days = || records.iter().map(day_of);
        self.records.provide(days()).await?;
        if records.iter().any(|record| record.payload.is_some()) {
            self.payloads.provide(days()).await?;
        }
        let mut client = self.database.client().await?;
        let kept = self.keep_by(&mut client, server, records, way).await;
        if kept.is_err() {
            Database::abandon(client);
        }
        kept
    }

    async fn keep_by(
        &self,
        client: &mut Client,
        server: ServerId,
        records: &[InvocationRecord],
        way: Way,
    ) -> Result<(), DatabaseError> {
        let merged = |record: &&InvocationRecord| way == Way::Merged || record.replaces;
        let (merged, fresh): (Vec<_>, Vec<_>) = records.iter().partition(merged);
        let transaction = client.transaction().await?;
        // Straight into their day's partitions: Postgres need not find out which of each of them.
        for fresh in fresh.chunk_by(|one, next| day_of(one) == day_of(next)) {
            let day = day_of(fresh[0]);
            let (records, payloads) = (self.records.of(day), self.payloads.of(day));
            let tables = Tables {
                records: records.as_str(),
                payloads: payloads.as_str(),
            };
            copy(&transaction, server, fresh, tables).await?;
        }
        if !merged.is_empty() {
            transaction.batch_execute(MAKE_INCOMING).await?;
            copy(&transaction, server, &merged, INCOMING).await?;
            transaction.execute(MERGE, &[]).await?;
            transaction.execute(MERGE_PAYLOADS, &[]).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// In which day's partition a record is.
fn day_of(record: &InvocationRecord) -> NaiveDate {
    // Ids are of version 7; one that is not has no day, and is refused by Postgres.
    made(record.id.as_uuid()).unwrap_or_else(Utc::now).date_naive()
}

async fn copy(
    transaction: &Transaction<'_>,
    server: ServerId,
    records: &[&InvocationRecord],
    to: Tables<'_>,
) -> Result<(), DatabaseError> {
    let statement = |table, columns| format!("copy {table} ({columns}) from stdin (format binary)");
    let sink = transaction
        .copy_in(&statement(to.records, RECORD_COLUMNS))
        .await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &RECORD_TYPES));
    for record in records {
        // A batch is thousands of rows: the sessions that share this thread go on meanwhile.
        tokio::task::consume_budget().await;
        write_record(writer.as_mut(), server, record).await?;
    }
    writer.finish().await?;
    if records.iter().all(|record| record.payload.is_none()) {
        return Ok(());
    }
    let sink = transaction
        .copy_in(&statement(to.payloads, PAYLOAD_COLUMNS))
        .await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &PAYLOAD_TYPES));
    for record in records {
        write_payload(writer.as_mut(), record).await?;
    }
    writer.finish().await?;
    Ok(())
}

async fn write_record(
    writer: std::pin::Pin<&mut BinaryCopyInWriter>,
    server: ServerId,
    record: &InvocationRecord,
) -> Result<(), DatabaseError> {
    let error = record.error.as_ref();
    let text = |text: &'_ str| without_nul(text).into_owned();
    writer
        .write(&[
            record.id.as_uuid(),
            &i32::try_from(record.attempt).unwrap_or(i32::MAX),
            record.job.as_uuid(),
            &record.version.map(|id| *id.as_uuid()),
            record.trigger.id.as_uuid(),
            &record.trigger.name.as_deref(),
            &record.kind,
            &without_nul(&record.subject).as_ref(),
            &record.status.name(),
            &record.queued,
            &record.started,
            &record.ended,
            &record.runner.map(|id| *id.as_uuid()),
            &record.cold_start.map(|cold| milliseconds(cold.connect)),
            &record.cold_start.map(|cold| milliseconds(cold.load)),
            &record.input_bytes.map(bytes),
            &record.output_bytes.map(bytes),
            &record.peak_memory.map(bytes),
            &record.http_status.and_then(|status| i16::try_from(status).ok()),
            &error.map(|error| text(&error.code)),
            &error.and_then(|error| error.name.as_deref().map(text)),
            &error.map(|error| text(&error.message)),
            &record
                .by_hand
                .map(|reason| *repeated(record.id, reason).as_uuid()),
            server.as_uuid(),
            &record.payload.is_some(),
        ])
        .await?;
    Ok(())
}

async fn write_payload(
    writer: std::pin::Pin<&mut BinaryCopyInWriter>,
    record: &InvocationRecord,
) -> Result<(), DatabaseError> {
    let Some(payload) = &record.payload else {
        return Ok(());
    };
    writer
        .write(&[
            record.id.as_uuid(),
            &i32::try_from(record.attempt).unwrap_or(i32::MAX),
            &json(&payload.input)?,
            &payload.input_body.bytes.as_ref(),
            &payload.input_body.truncated,
            &payload.output.as_ref().map(json).transpose()?,
            &payload.output_body.bytes.as_ref(),
            &payload.output_body.truncated,
        ])
        .await?;
    Ok(())
}

fn json(value: &impl Serialize) -> Result<Value, DatabaseError> {
    let value = serde_json::to_value(value);
    let value = value.map_err(|error| DatabaseError::Unexpected(error.to_string()))?;
    Ok(clean(value))
}

/// What `replay_of` holds: a test repeats nothing, and so it names itself.
fn repeated(id: InvocationId, reason: ByHand) -> InvocationId {
    match reason {
        ByHand::Replay(original) => original,
        ByHand::Test => id,
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
