//! Keeping deliveries.

use jobber_actors::ports::{Kept, NewDelivery, Standing};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresDurableQueue;
use crate::store::error::DatabaseError;

/// Jobs are held until the end, so that none of them goes while rows of it are on their way in. The counters are those from
/// before the batch.
const KEEP: &str = "
    with new as (
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[],
                             $8::text[], $9::timestamptz[], $10::integer[], $11::integer[], $12::text[])
            with ordinality as n (id, job_id, trigger_id, trigger_name, kind, input, body, state, due_at, failed, lost,
                                  failure, position)
    ), known as materialized (
        select id from jobs where id = any($2) order by id for key share
    ), judged as (
        select n.*, k.id is null as gone, coalesce(u.rows >= $13 or u.bytes >= $14, false) as full_already
        from new n left join known k on k.id = n.job_id left join delivery_usage u on u.job_id = n.job_id
    ), kept as (
        insert into deliveries (id, job_id, trigger_id, trigger_name, kind, input, body, bytes, state, due_at, failed, lost,
                                failure, died_at)
        select id, job_id, trigger_id, trigger_name, kind, input::json, body, octet_length(input) + octet_length(body),
               state, coalesce(due_at, now()), failed, lost, failure::json, case state when 'dead' then now() end
        from judged where not gone and not full_already
        on conflict (id) do nothing
    )
    select gone, full_already and not exists (select from deliveries d where d.id = j.id) as refused
    from judged j order by position";
/// What one statement may carry: Postgres holds it in memory several times over.
const BATCH_ROWS: usize = 1_000;
const BATCH_BYTES: usize = 8 << 20;

/// Deliveries in pieces that are not too large for one statement.
pub(super) fn batches(deliveries: &[NewDelivery]) -> impl Iterator<Item = &[NewDelivery]> {
    let mut rest = deliveries;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |new: &&NewDelivery| {
            bytes += new.delivery.body.len();
            bytes <= BATCH_BYTES
        };
        // A single one is never too large.
        let count = rest.iter().take(BATCH_ROWS).take_while(fits).count().max(1);
        let (batch, later) = rest.split_at_checked(count)?;
        rest = later;
        Some(batch)
    })
}

impl PostgresDurableQueue {
    pub(super) async fn keep_batch(&self, batch: &[NewDelivery]) -> Result<Vec<Kept>, DatabaseError> {
        let columns = Columns::of(batch)?;
        let (rows, bytes) = self.limits.counts();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(KEEP).await?;
        let answers = client
            .query(&statement, &columns.parameters(&rows, &bytes))
            .await?;
        let kept = |row: &tokio_postgres::Row| match (row.get("gone"), row.get("refused")) {
            (true, _) => Kept::JobGone,
            (false, true) => Kept::JobFull,
            (false, false) => Kept::Yes,
        };
        Ok(answers.iter().map(kept).collect())
    }
}

/// A batch, turned on its side.
struct Columns<'a> {
    ids: Vec<&'a Uuid>,
    jobs: Vec<&'a Uuid>,
    triggers: Vec<&'a Uuid>,
    trigger_names: Vec<Option<&'a str>>,
    kinds: Vec<&'static str>,
    inputs: Vec<String>,
    bodies: Vec<&'a [u8]>,
    states: Vec<&'static str>,
    due: Vec<Option<chrono::DateTime<chrono::Utc>>>,
    failed: Vec<i32>,
    lost: Vec<i32>,
    failures: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [NewDelivery]) -> Result<Self, DatabaseError> {
        let each = || batch.iter().map(|new| &new.delivery);
        let inputs = each()
            .map(|delivery| json(&delivery.input))
            .collect::<Result<_, _>>()?;
        let failures = batch.iter().map(|new| new.failure.as_ref().map(json).transpose());
        Ok(Self {
            ids: each().map(|delivery| delivery.id.as_uuid()).collect(),
            jobs: each().map(|delivery| delivery.job.as_uuid()).collect(),
            triggers: each().map(|delivery| delivery.trigger.as_uuid()).collect(),
            trigger_names: each().map(|delivery| delivery.trigger_name.as_deref()).collect(),
            kinds: each().map(|delivery| delivery.input.kind()).collect(),
            inputs,
            bodies: each().map(|delivery| delivery.body.as_ref()).collect(),
            states: batch.iter().map(|new| state(new.standing).0).collect(),
            due: batch.iter().map(|new| state(new.standing).1).collect(),
            failed: each().map(|delivery| count(delivery.tries.failed)).collect(),
            lost: each().map(|delivery| count(delivery.tries.lost)).collect(),
            failures: failures.collect::<Result<_, _>>()?,
        })
    }

    fn parameters<'s>(&'s self, rows: &'s i64, bytes: &'s i64) -> [&'s (dyn ToSql + Sync); 14] {
        [
            &self.ids,
            &self.jobs,
            &self.triggers,
            &self.trigger_names,
            &self.kinds,
            &self.inputs,
            &self.bodies,
            &self.states,
            &self.due,
            &self.failed,
            &self.lost,
            &self.failures,
            rows,
            bytes,
        ]
    }
}

fn state(standing: Standing) -> (&'static str, Option<chrono::DateTime<chrono::Utc>>) {
    match standing {
        Standing::Due(due) => ("due", Some(due)),
        Standing::Dead => ("dead", None),
    }
}

/// A count of attempts, which nobody makes two thousand millions of.
pub(super) fn count(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}

pub(in crate::store) fn json(value: &impl serde::Serialize) -> Result<String, DatabaseError> {
    serde_json::to_string(value).map_err(|error| DatabaseError::Unexpected(error.to_string()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::{DateTime, Utc};
    use jobber_actors::domain::{InvocationId, JobId, TriggerId};
    use jobber_actors::invocation::{Input, ScheduleInput};
    use jobber_actors::ports::{Delivery, Tries};

    use super::*;

    fn of_bytes(bytes: usize) -> NewDelivery {
        NewDelivery {
            delivery: Delivery {
                id: InvocationId::generate(),
                job: JobId::generate(),
                trigger: TriggerId::generate(),
                trigger_name: None,
                input: Input::Schedule {
                    schedule: ScheduleInput {
                        scheduled_at: DateTime::<Utc>::UNIX_EPOCH,
                    },
                },
                body: Bytes::from(vec![0; bytes]),
                tries: Tries::default(),
            },
            standing: Standing::Dead,
            failure: None,
        }
    }

    #[test]
    fn batches_are_bounded_and_nothing_is_left_out() {
        let sizes = |deliveries: &[NewDelivery]| batches(deliveries).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&vec![of_bytes(1); 2_500]), [1_000, 1_000, 500]);
        let half = BATCH_BYTES / 2;
        let mixed = [half, half, 1, 2 * BATCH_BYTES, half, 2 * BATCH_BYTES].map(of_bytes);
        assert_eq!(sizes(&mixed), [2, 1, 1, 1, 1]);
    }
}
