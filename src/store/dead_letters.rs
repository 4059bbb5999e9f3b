//! The durable queue, as people see it: how much is in it, and what was given up.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, JobId, TriggerId};
use jobber_actors::invocation::Input;
use jobber_actors::ledger::{REDACTED, without_credentials};
use jobber_actors::ports::{DeliveryFailure, Tries};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::database::Database;
use super::durable_queue::tries_of;
use super::error::DatabaseError;
use super::jobs::TriggerType;
use super::listing::{self, Column, Listing, Order, Page, Sort};

const COUNTS: &str = "
    select count(*) filter (where state = 'due') as due, count(*) filter (where state = 'claimed') as claimed,
           count(*) filter (where state = 'dead') as dead, min(due_at) filter (where state = 'due') as oldest_due,
           coalesce((select bytes from delivery_usage where job_id = $1), 0) as bytes
    from deliveries where job_id = $1";
/// Of jobs `$1` that have anything in the queue. Each job's part is answered by an index.
const QUEUES: &str = "
    select j.id, j.name, c.due, c.claimed, c.dead, c.oldest_due, u.bytes
    from delivery_usage u join jobs j on j.id = u.job_id cross join lateral (
        select count(*) filter (where state = 'due') as due, count(*) filter (where state = 'claimed') as claimed,
               count(*) filter (where state = 'dead') as dead, min(due_at) filter (where state = 'due') as oldest_due
        from deliveries d where d.job_id = u.job_id) c
    where u.rows > 0 and j.id = any ($1)";
/// `$2` is a trigger, `$3` a kind of trigger; null means all.
const LIST: &str = "
    select job_id, id, trigger_id, trigger_name, kind, input, failed, lost, failure, octet_length(body) as size, created_at, died_at
    from deliveries
    where job_id = any ($1) and state = 'dead' and ($2::uuid is null or trigger_id = $2) and ($3::text is null or kind = $3)";
const FIND: &str = "
    select job_id, id, trigger_id, trigger_name, kind, input, failed, lost, failure, octet_length(body) as size, created_at, died_at,
           body
    from deliveries where id = $2 and job_id = $1 and state = 'dead'";
/// As if it had just come in. What it died of stays to be seen if it dies again.
const REDRIVE: &str = "
    with redriven as (
        update deliveries set state = 'due', due_at = now(), failed = 0, lost = 0, died_at = null
        where id = $2 and job_id = $1 and state = 'dead'
        returning job_id
    )
    select pg_notify('jobber_deliveries', job_id::text) from redriven";
/// What was dead at `$2`, so that what dies again meanwhile is not redriven for ever.
const REDRIVE_SOME: &str = "
    with redriven as (
        update deliveries set state = 'due', due_at = now(), failed = 0, lost = 0, died_at = null
        where id = any (array(select id from deliveries where job_id = $1 and state = 'dead' and died_at <= $2
                              order by died_at desc, id desc limit $3 for update skip locked))
        returning job_id
    )
    select count(*) as changed, case when count(*) > 0 then pg_notify('jobber_deliveries', $1::uuid::text)::text end
    from redriven";
const DISCARD: &str = "delete from deliveries where id = $2 and job_id = $1 and state = 'dead'";
const DISCARD_SOME: &str = "
    delete from deliveries
    where id = any (array(select id from deliveries where job_id = $1 and state = 'dead' and died_at <= $2
                          order by died_at desc, id desc limit $3 for update skip locked))";
const NOW: &str = "select clock_timestamp()";
/// What one statement changes when all are to be changed.
const BATCH: i64 = 5_000;

/// How much of a job is in the durable queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueCounts {
    /// Deliveries that are to be made, now or later.
    pub due: i64,
    /// Deliveries in a server's hands.
    pub claimed: i64,
    /// Dead letters.
    pub dead: i64,
    /// Bytes of all inputs and payloads.
    pub bytes: i64,
    /// When the first of those that are to be made is due.
    pub oldest_due: Option<DateTime<Utc>>,
}

/// How much of one of many jobs is in the durable queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueOfJob {
    /// The job.
    #[schema(value_type = uuid::Uuid)]
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// How much.
    #[serde(flatten)]
    pub counts: QueueCounts,
}

/// In which order queues are listed: by their jobs' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum QueueSort {
    /// By name.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// By name, backwards.
    #[serde(rename = "-name")]
    NameDescending,
}

impl Sort for QueueSort {
    fn order(self) -> Order {
        const BY_NAME: [Column; 2] = [Column::text("name", "j.name"), Column::id("id", "j.id")];
        match self {
            Self::Name => Order::ascending(&BY_NAME),
            Self::NameDescending => Order::descending(&BY_NAME),
        }
    }
}

/// A delivery that was given up, without its payload.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The invocation's id.
    #[schema(value_type = uuid::Uuid)]
    pub id: InvocationId,
    /// Whose it is.
    #[schema(value_type = uuid::Uuid)]
    pub job_id: JobId,
    /// The trigger that started it.
    #[schema(value_type = uuid::Uuid)]
    pub trigger_id: TriggerId,
    /// The trigger's name, if it had one.
    pub trigger_name: Option<String>,
    /// `http`, `schedule` or `mqtt`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The topic of an MQTT message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Value>,
    /// The properties of an MQTT message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<Value>,
    /// What the trigger had to say, as the handler got it; of a request without the credentials of its caller.
    pub input: Value,
    /// Bytes of the payload.
    pub size: i32,
    /// What was tried.
    #[schema(value_type = Object)]
    pub tries: Tries,
    /// Why the last attempt failed.
    #[schema(value_type = Option<Object>)]
    pub failure: Option<DeliveryFailure>,
    /// When it came in.
    pub created: DateTime<Utc>,
    /// When it was given up.
    pub died: DateTime<Utc>,
}

/// Which dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Those that one trigger started.
    pub trigger: Option<TriggerId>,
    /// Those that one kind of trigger started.
    pub kind: Option<TriggerType>,
}

/// In which order dead letters are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum DeadLetterSort {
    /// The one that was given up first.
    #[serde(rename = "died")]
    Died,
    /// The one that was given up last first.
    #[default]
    #[serde(rename = "-died")]
    DiedDescending,
}

impl Sort for DeadLetterSort {
    fn order(self) -> Order {
        const BY_END: [Column; 2] = [Column::time("died_at", "died_at"), Column::id("id", "id")];
        match self {
            Self::Died => Order::ascending(&BY_END),
            Self::DiedDescending => Order::descending(&BY_END),
        }
    }
}

/// The durable queue, to look at and to tidy up.
#[derive(Clone, Debug)]
pub struct DeadLetterStore {
    database: Database,
}

impl DeadLetterStore {
    /// The dead letters in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// How much of a job is in the queue.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn counts(&self, job: JobId) -> Result<QueueCounts, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(COUNTS).await?;
        let row = client.query_one(&statement, &[job.as_uuid()]).await?;
        Ok(counts_of(&row))
    }

    /// How much of each of these jobs is in the queue; those of which nothing is are left out.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn queues(
        &self,
        jobs: &[JobId],
        listing: &Listing<QueueSort>,
    ) -> Result<Page<QueueOfJob>, DatabaseError> {
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let queue = |row: &Row| {
            Ok(QueueOfJob {
                job_id: row.get::<_, Uuid>("id").into(),
                name: row.get("name"),
                counts: counts_of(row),
            })
        };
        listing::page(&self.database, QUEUES, &[&jobs], listing, queue).await
    }

    /// The dead letters of these jobs.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        jobs: &[JobId],
        filter: DeadLetterFilter,
        listing: &Listing<DeadLetterSort>,
    ) -> Result<Page<DeadLetter>, DatabaseError> {
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let trigger = filter.trigger.map(|trigger| *trigger.as_uuid());
        let kind = filter.kind.map(TriggerType::name);
        listing::page(&self.database, LIST, &[&jobs, &trigger, &kind], listing, |row| {
            Ok(letter_of(row))
        })
        .await
    }

    /// A dead letter and its payload.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(
        &self,
        job: JobId,
        id: InvocationId,
    ) -> Result<Option<(DeadLetter, Bytes)>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIND).await?;
        let row = client
            .query_opt(&statement, &[job.as_uuid(), id.as_uuid()])
            .await?;
        Ok(row.map(|row| (letter_of(&row), row.get::<_, Vec<u8>>("body").into())))
    }

    /// Makes a dead letter due again, as if it had never been tried. `false` if there is none.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn redrive(&self, job: JobId, id: InvocationId) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(REDRIVE).await?;
        let row = client
            .query_opt(&statement, &[job.as_uuid(), id.as_uuid()])
            .await?;
        Ok(row.is_some())
    }

    /// Makes all dead letters of a job due again. Returns how many there were.
    ///
    /// # Errors
    /// [`DatabaseError`]; some may be due again then.
    pub async fn redrive_all(&self, job: JobId) -> Result<u64, DatabaseError> {
        let client = self.database.client().await?;
        let now: DateTime<Utc> = client.query_one(NOW, &[]).await?.get(0);
        let statement = client.prepare_cached(REDRIVE_SOME).await?;
        let mut redriven = 0;
        loop {
            let row = client
                .query_one(&statement, &[job.as_uuid(), &now, &BATCH])
                .await?;
            match u64::try_from(row.get::<_, i64>("changed")) {
                Ok(some @ 1..) => redriven += some,
                _ => return Ok(redriven),
            }
        }
    }

    /// Removes a dead letter. `false` if there is none.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn discard(&self, job: JobId, id: InvocationId) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(DISCARD).await?;
        Ok(client.execute(&statement, &[job.as_uuid(), id.as_uuid()]).await? > 0)
    }

    /// Removes all dead letters of a job. Returns how many there were.
    ///
    /// # Errors
    /// [`DatabaseError`]; some may be gone then.
    pub async fn discard_all(&self, job: JobId) -> Result<u64, DatabaseError> {
        let client = self.database.client().await?;
        let now: DateTime<Utc> = client.query_one(NOW, &[]).await?.get(0);
        let statement = client.prepare_cached(DISCARD_SOME).await?;
        let mut discarded = 0;
        loop {
            match client.execute(&statement, &[job.as_uuid(), &now, &BATCH]).await? {
                0 => return Ok(discarded),
                some => discarded += some,
            }
        }
    }
}

fn counts_of(row: &Row) -> QueueCounts {
    QueueCounts {
        due: row.get("due"),
        claimed: row.get("claimed"),
        dead: row.get("dead"),
        bytes: row.get("bytes"),
        oldest_due: row.get("oldest_due"),
    }
}

fn letter_of(row: &Row) -> DeadLetter {
    let kind: String = row.get("kind");
    let Json(input) = row.get::<_, Json<Value>>("input");
    let input = if kind == TriggerType::Http.name() {
        shown(input)
    } else {
        input
    };
    // What an older or a newer version wrote here is shown without its reason.
    let failure = row
        .try_get::<_, Option<Json<DeliveryFailure>>>("failure")
        .ok()
        .flatten();
    DeadLetter {
        id: row.get::<_, Uuid>("id").into(),
        job_id: row.get::<_, Uuid>("job_id").into(),
        trigger_id: row.get::<_, Uuid>("trigger_id").into(),
        trigger_name: row.get("trigger_name"),
        kind,
        topic: input.pointer("/mqtt/topic").cloned(),
        properties: input.pointer("/mqtt/properties").cloned(),
        input,
        size: row.get("size"),
        tries: tries_of(row),
        failure: failure.map(|Json(failure)| failure),
        created: row.get("created_at"),
        died: row.get("died_at"),
    }
}

/// A request as it may be shown: the row keeps the credentials of its caller for the next attempt. One that another version wrote, and
/// this can not read, is not shown at all.
fn shown(input: Value) -> Value {
    let shown = serde_json::from_value::<Input>(input)
        .and_then(|input| serde_json::to_value(without_credentials(input)));
    shown.unwrap_or_else(|error| {
        tracing::warn!(%error, "the request of a dead letter can not be read, and is not shown");
        REDACTED.into()
    })
}
