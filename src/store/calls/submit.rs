//! Accepting calls, many with one statement.

use std::collections::HashMap;

use futures_util::FutureExt;
use jobber_actors::domain::{InvocationId, JobId};
use jobber_actors::invocation::Input;
use jobber_actors::ports::QueueError;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{CallStore, NewCall, RequestKey, Submitted};
use crate::store::durable_queue::{again, json, milliseconds};
use crate::store::error::DatabaseError;

/// A key belongs to whoever writes it first; one that has expired, to the next. A call that is there already (the statement is
/// said again, because it was not known what became of it) is not made once more. Jobs are held until the end, so that none of
/// them goes while rows of it are on their way in. The counters are those from before the batch.
const SUBMIT: &str = "
    with new as (
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::bytea[],
                             $9::text[])
            with ordinality as n (id, job_id, trigger_id, trigger_name, input, body, key, fingerprint, callback_url, position)
    ), known as materialized (
        select id from jobs where id = any($2) order by id for key share
    ), judged as materialized (
        select n.*, k.id is null as gone,
               coalesce(u.rows >= $10 or u.bytes >= $11 or u.calls >= $12, false) as full_already
        from new n left join known k on k.id = n.job_id left join delivery_usage u on u.job_id = n.job_id
    ), named as (
        insert into idempotency_keys as i (job_id, key, fingerprint, call_id, expires_at)
        select job_id, key, fingerprint, id, now() + $13::bigint * interval '1 millisecond'
        from judged where key is not null and not gone and not full_already order by job_id, key
        on conflict (job_id, key) do update
            set fingerprint = excluded.fingerprint, call_id = excluded.call_id, expires_at = excluded.expires_at
            where i.expires_at <= now() or i.call_id = excluded.call_id
        returning call_id
    ), accepted as materialized (
        select * from judged j
        where not gone and not full_already and (key is null or exists (select from named where call_id = j.id))
    ), called as (
        insert into async_calls (id, job_id, callback_url)
        select id, job_id, callback_url from accepted on conflict (id) do nothing
        returning id
    ), delivered as (
        insert into deliveries (id, job_id, trigger_id, trigger_name, kind, input, body, bytes, state, due_at)
        select id, job_id, trigger_id, trigger_name, 'http', input::json, body, octet_length(input) + octet_length(body),
               'due', now()
        from accepted join called using (id)
    )
    select gone, full_already, exists (select from accepted a where a.id = j.id) as accepted from judged j order by position";
/// A key that was in force for the statement before has its call, also if it has expired since.
const KNOWN: &str = "
    select w.position, k.call_id, k.fingerprint
    from unnest($1::uuid[], $2::text[], $3::boolean[]) with ordinality as w (job_id, key, taken, position)
        join idempotency_keys k on k.job_id = w.job_id and k.key = w.key
    where w.taken or k.expires_at > now()";

/// What the statement says of one call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Accepted,
    Gone,
    Full,
    /// Its key is another call's.
    Taken,
}

/// A call that was not accepted and has a key.
struct Keyed<'a> {
    /// Its place among the calls.
    index: usize,
    job: JobId,
    key: &'a RequestKey,
    /// Whether the key is why it was not accepted.
    taken: bool,
}

impl CallStore {
    /// Accepts calls, each of them whole or not at all. The answers are in the order of the calls, of which no two of the same job
    /// may have the same key.
    ///
    /// # Errors
    /// [`QueueError`]; then it is not known which were accepted, and submitting them again does no harm.
    pub async fn submit(&self, calls: &[NewCall]) -> Result<Vec<Submitted>, QueueError> {
        again(|| self.submit_batch(calls).boxed()).await
    }

    async fn submit_batch(&self, calls: &[NewCall]) -> Result<Vec<Submitted>, DatabaseError> {
        let judged = self.judge(calls).await?;
        // A request that is known is answered as the first time, whatever has become of the queue or the job since.
        let keyed: Vec<Keyed<'_>> = calls
            .iter()
            .zip(&judged)
            .enumerate()
            .filter(|(_, (_, judged))| **judged != Judged::Accepted)
            .filter_map(|(index, (call, judged))| {
                Some(Keyed {
                    index,
                    job: call.job,
                    key: call.key.as_ref()?,
                    taken: *judged == Judged::Taken,
                })
            })
            .collect();
        let known = self.known(&keyed).await?;
        let submitted = judged
            .iter()
            .enumerate()
            .map(|(index, judged)| match (judged, known.get(&index)) {
                (Judged::Accepted, _) => Submitted::Accepted,
                (_, Some(known)) => *known,
                (Judged::Gone, None) => Submitted::JobGone,
                // A key that was taken has expired, and was removed, between the two statements: whoever asks again gets it.
                (Judged::Full | Judged::Taken, None) => Submitted::JobFull,
            });
        Ok(submitted.collect())
    }

    async fn judge(&self, calls: &[NewCall]) -> Result<Vec<Judged>, DatabaseError> {
        let columns = Columns::of(calls)?;
        let (rows, bytes) = self.limits.queue.counts();
        let waiting = i64::try_from(self.limits.waiting).unwrap_or(i64::MAX);
        let lifetime = milliseconds(self.limits.key_lifetime);
        let client = self.database.client().await?;
        let statement = client.prepare_cached(SUBMIT).await?;
        let answers = client
            .query(
                &statement,
                &columns.parameters(&rows, &bytes, &waiting, &lifetime),
            )
            .await?;
        let judged =
            |row: &tokio_postgres::Row| match (row.get("accepted"), row.get("gone"), row.get("full_already"))
            {
                (true, _, _) => Judged::Accepted,
                (false, true, _) => Judged::Gone,
                (false, false, true) => Judged::Full,
                (false, false, false) => Judged::Taken,
            };
        Ok(answers.iter().map(judged).collect())
    }

    /// Of those whose keys are known, by their places.
    async fn known(&self, wanted: &[Keyed<'_>]) -> Result<HashMap<usize, Submitted>, DatabaseError> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let jobs: Vec<&Uuid> = wanted.iter().map(|wanted| wanted.job.as_uuid()).collect();
        let keys: Vec<&str> = wanted.iter().map(|wanted| wanted.key.key.as_str()).collect();
        let taken: Vec<bool> = wanted.iter().map(|wanted| wanted.taken).collect();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(KNOWN).await?;
        let rows = client.query(&statement, &[&jobs, &keys, &taken]).await?;
        let known = rows.iter().filter_map(|row| {
            let place = usize::try_from(row.get::<_, i64>("position"))
                .ok()?
                .checked_sub(1)?;
            let Keyed { index, key, .. } = wanted.get(place)?;
            let same = row.get::<_, &[u8]>("fingerprint") == key.fingerprint;
            let call = InvocationId::from(row.get::<_, Uuid>("call_id"));
            let known = if same {
                Submitted::Known(call)
            } else {
                Submitted::KeyReused
            };
            Some((*index, known))
        });
        Ok(known.collect())
    }
}

/// Calls, turned on their side.
struct Columns<'a> {
    ids: Vec<&'a Uuid>,
    jobs: Vec<&'a Uuid>,
    triggers: Vec<&'a Uuid>,
    trigger_names: Vec<Option<&'a str>>,
    inputs: Vec<String>,
    bodies: Vec<&'a [u8]>,
    keys: Vec<Option<&'a str>>,
    fingerprints: Vec<Option<&'a [u8]>>,
    callbacks: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(calls: &'a [NewCall]) -> Result<Self, DatabaseError> {
        let input = |call: &NewCall| {
            json(&Input::Http {
                http: Box::new(call.request.clone()),
            })
        };
        let keys = || calls.iter().map(|call| call.key.as_ref());
        Ok(Self {
            ids: calls.iter().map(|call| call.id.as_uuid()).collect(),
            jobs: calls.iter().map(|call| call.job.as_uuid()).collect(),
            triggers: calls.iter().map(|call| call.trigger.id.as_uuid()).collect(),
            trigger_names: calls.iter().map(|call| call.trigger.name.as_deref()).collect(),
            inputs: calls.iter().map(input).collect::<Result<_, _>>()?,
            bodies: calls.iter().map(|call| call.body.as_ref()).collect(),
            keys: keys().map(|key| key.map(|key| key.key.as_str())).collect(),
            fingerprints: keys()
                .map(|key| key.map(|key| key.fingerprint.as_slice()))
                .collect(),
            callbacks: calls.iter().map(|call| call.callback.as_deref()).collect(),
        })
    }

    fn parameters<'s>(
        &'s self,
        rows: &'s i64,
        bytes: &'s i64,
        waiting: &'s i64,
        lifetime: &'s i64,
    ) -> [&'s (dyn ToSql + Sync); 13] {
        [
            &self.ids,
            &self.jobs,
            &self.triggers,
            &self.trigger_names,
            &self.inputs,
            &self.bodies,
            &self.keys,
            &self.fingerprints,
            &self.callbacks,
            rows,
            bytes,
            waiting,
            lifetime,
        ]
    }
}
