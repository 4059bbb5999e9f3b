//! The history of schedules, as people see it, and the runs they ask for by hand.

use chrono::{DateTime, SubsecRound, TimeDelta, Timelike, Utc};
use deadpool_postgres::Transaction;
use jobber_actors::domain::{InvocationId, JobId, TriggerId};
use jobber_actors::invocation::{Input, ScheduleInput};
use jobber_actors::manifest::{Manifest, Overlap, TriggerKind};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::database::Database;
use super::durable_queue::{QueueLimits, json};
use super::error::DatabaseError;
use super::listing::{self, Column, Listing, Order, Page, Sort};
use super::schedules::MAX_WAITING;

/// `$2` is an id, `$3` a name. A name is one trigger's only among those of its kind.
const TRIGGER: &str = "
    select id, kind from triggers where job_id = $1 and (id = $2 or name = $3)
    order by id is distinct from $2, kind <> 'schedule', kind limit 1";
/// `$2` is what became of them, `$3` and `$4` when they were; null means all.
const FIRES: &str = "
    select at, state, invocation_id, last_at, instants, uncounted, reason, manual, recorded_at from schedule_fires
    where trigger_id = $1 and ($2::text is null or state = $2)
      and ($3::timestamptz is null or at >= $3) and ($4::timestamptz is null or at < $4)";
/// The position is null for a trigger that the active version does not have.
const PLACE: &str = "
    select t.name, j.enabled, vt.position, v.manifest, now() as now
    from triggers t join jobs j on j.id = t.job_id
         left join versions v on v.id = j.active_version
         left join version_triggers vt on vt.version_id = v.id and vt.trigger_id = t.id
    where t.id = $2 and t.job_id = $1
    for key share of j";
const LOCK_CURSOR: &str = "select from schedule_cursors where trigger_id = $1 for update";
/// Whether the job's limit leaves room for one more, and a serial trigger (`$2`) has not too many that wait (`$5`).
const ROOM: &str = "
    select not exists (select from delivery_usage where job_id = $1 and (rows >= $3 or bytes >= $4))
           and ($2::uuid is null or (select count(*) from deliveries
                                     where trigger_id = $2 and kind = 'schedule' and state = 'due') < $5)";
const INSERT_FIRE: &str = "
    insert into schedule_fires (trigger_id, at, job_id, state, invocation_id, last_at, manual)
    values ($1, $2, $3, 'fired', $4, $2, true)
    on conflict (trigger_id, at) do nothing";
const INSERT_DELIVERY: &str = "
    insert into deliveries (id, job_id, trigger_id, trigger_name, kind, input, body, bytes, serial_key, state, due_at)
    values ($1, $2, $3, $4, 'schedule', $5::text::json, '', octet_length($5::text), $6, 'due', $7)";
const PURGE_OLD: &str = "
    delete from schedule_fires where ctid = any (array(
        select ctid from schedule_fires where recorded_at < now() - $1::bigint * interval '1 day'
        order by recorded_at limit $2 for update skip locked))";
/// Looks at the next triggers after `$1`, a few at a time, and removes what each has beyond its newest rows.
const PURGE_SURPLUS: &str = "
    with page as materialized (
        select id from triggers where kind = 'schedule' and id > $1 order by id limit $2
    ), removed as (
        delete from schedule_fires where ctid = any (array(
            select surplus.ctid
            from page p
                 cross join lateral (select s.at from schedule_fires s
                                     where s.trigger_id = p.id order by s.at desc offset $3 limit 1) newest
                 cross join lateral (select o.ctid from schedule_fires o
                                     where o.trigger_id = p.id and o.at <= newest.at order by o.at limit $4) surplus
            limit $4))
        returning 1
    )
    select (select count(*) from removed) as removed, (select id from page order by id desc limit 1) as last";
/// How long the record of an instant is kept, in days, and how many rows of one trigger.
const KEEP_DAYS: i64 = 30;
const KEEP_ROWS: i64 = 10_000;
/// What one statement may look at and remove.
const PURGE_BATCH: i64 = 1_000;
const PURGE_TRIGGERS: i64 = 20;

/// What became of an instant, or of several in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredFire {
    /// The instant, or the first of them.
    pub at: DateTime<Utc>,
    /// `fired`, `skipped` or `missed`.
    pub state: String,
    /// The invocation that it started.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub invocation_id: Option<InvocationId>,
    /// The last of them; the same instant if it is one.
    pub last: DateTime<Utc>,
    /// How many.
    pub instants: i64,
    /// Whether there were more than `instants`.
    pub uncounted: bool,
    /// Why it did not start the function.
    pub reason: Option<String>,
    /// Whether a person asked for it.
    pub manual: bool,
    /// When this was recorded.
    pub recorded: DateTime<Utc>,
}

/// What became of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FireState {
    /// It started the function.
    Fired,
    /// It was left out on purpose.
    Skipped,
    /// No server was there for it.
    Missed,
}

/// Which instants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FireFilter {
    /// What became of them.
    pub state: Option<FireState>,
    /// This moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// In which order instants are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum FireSort {
    /// The oldest first.
    #[serde(rename = "at")]
    At,
    /// The newest first.
    #[default]
    #[serde(rename = "-at")]
    AtDescending,
}

impl Sort for FireSort {
    fn order(self) -> Order {
        const BY_INSTANT: [Column; 1] = [Column::time("at", "at")];
        match self {
            Self::At => Order::ascending(&BY_INSTANT),
            Self::AtDescending => Order::descending(&BY_INSTANT),
        }
    }
}

impl FireState {
    fn name(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
        }
    }
}

/// A trigger, as a path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTrigger {
    /// Its id.
    pub id: TriggerId,
    /// `http`, `schedule` or `mqtt`.
    pub kind: String,
}

/// What became of a run that a person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManualRun {
    /// It is in the durable queue.
    Started(InvocationId),
    /// The job or the trigger is gone.
    Gone,
    /// The job is disabled.
    Disabled,
    /// The active version has no such schedule.
    NotActive,
    /// The job has as much in the durable queue as it may, or too many of the trigger are waiting.
    Full,
}

/// The record of schedules' instants.
#[derive(Clone, Debug)]
pub struct FireStore {
    database: Database,
    limits: QueueLimits,
}

impl FireStore {
    /// The record in this database.
    #[must_use]
    pub fn new(database: Database, limits: QueueLimits) -> Self {
        Self { database, limits }
    }

    /// The trigger of a job with this id or name. Of triggers with one name it is the schedule.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find_trigger(
        &self,
        job: JobId,
        id_or_name: &str,
    ) -> Result<Option<NamedTrigger>, DatabaseError> {
        if id_or_name.contains('\0') {
            return Ok(None);
        }
        let id = Uuid::try_parse(id_or_name).ok();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(TRIGGER).await?;
        let row = client
            .query_opt(&statement, &[job.as_uuid(), &id, &id_or_name])
            .await?;
        Ok(row.map(|row| NamedTrigger {
            id: row.get::<_, Uuid>("id").into(),
            kind: row.get("kind"),
        }))
    }

    /// What became of a trigger's instants.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        trigger: TriggerId,
        filter: &FireFilter,
        listing: &Listing<FireSort>,
    ) -> Result<Page<StoredFire>, DatabaseError> {
        let FireFilter { state, since, until } = filter;
        let state = state.map(FireState::name);
        listing::page(
            &self.database,
            FIRES,
            &[trigger.as_uuid(), &state, since, until],
            listing,
            |row| Ok(fire_of(row)),
        )
        .await
    }

    /// Starts a schedule's function now, as if this were an instant of it. It is delivered like any other; where the schedule
    /// does not let invocations overlap, it waits for those before it.
    ///
    /// # Errors
    /// [`DatabaseError`]; then it is not known whether it starts.
    pub async fn run_now(&self, job: JobId, trigger: TriggerId) -> Result<ManualRun, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let place = transaction.prepare_cached(PLACE).await?;
        let Some(place) = transaction
            .query_opt(&place, &[job.as_uuid(), trigger.as_uuid()])
            .await?
        else {
            return Ok(ManualRun::Gone);
        };
        if !place.get::<_, bool>("enabled") {
            return Ok(ManualRun::Disabled);
        }
        let Some(overlap) = overlap_of(&place) else {
            return Ok(ManualRun::NotActive);
        };
        let lock = transaction.prepare_cached(LOCK_CURSOR).await?;
        transaction.execute(&lock, &[trigger.as_uuid()]).await?;
        let serial = (overlap != Overlap::Allow).then_some(trigger.as_uuid());
        if !self.has_room(&transaction, job, serial).await? {
            return Ok(ManualRun::Full);
        }
        let invocation = InvocationId::generate();
        let at = insert_fire(&transaction, job, trigger, invocation, place.get("now")).await?;
        let input = json(&Input::Schedule {
            schedule: ScheduleInput { scheduled_at: at },
        })?;
        let insert = transaction.prepare_cached(INSERT_DELIVERY).await?;
        let name: Option<&str> = place.get("name");
        transaction
            .execute(
                &insert,
                &[
                    invocation.as_uuid(),
                    job.as_uuid(),
                    trigger.as_uuid(),
                    &name,
                    &input,
                    &serial,
                    &at,
                ],
            )
            .await?;
        transaction.commit().await?;
        Ok(ManualRun::Started(invocation))
    }

    async fn has_room(
        &self,
        transaction: &Transaction<'_>,
        job: JobId,
        serial: Option<&Uuid>,
    ) -> Result<bool, DatabaseError> {
        let (rows, bytes) = self.limits.counts();
        let statement = transaction.prepare_cached(ROOM).await?;
        let room = transaction
            .query_one(
                &statement,
                &[job.as_uuid(), &serial, &rows, &bytes, &i64::from(MAX_WAITING)],
            )
            .await?;
        Ok(room.get(0))
    }

    /// Forgets instants that were recorded more than 30 days ago, and of each trigger all but the newest 10,000 rows. Returns
    /// how many rows went.
    ///
    /// # Errors
    /// [`DatabaseError`]; the rest is for the next time.
    pub async fn purge(&self) -> Result<u64, DatabaseError> {
        let mut removed = 0;
        loop {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(PURGE_OLD).await?;
            let old = client.execute(&statement, &[&KEEP_DAYS, &PURGE_BATCH]).await?;
            removed += old;
            if old == 0 {
                break;
            }
        }
        let mut after = Uuid::nil();
        loop {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(PURGE_SURPLUS).await?;
            let page = client
                .query_one(&statement, &[&after, &PURGE_TRIGGERS, &KEEP_ROWS, &PURGE_BATCH])
                .await?;
            let surplus: i64 = page.get("removed");
            removed += u64::try_from(surplus).unwrap_or_default();
            match page.get("last") {
                // There may be more of the same triggers.
                _ if surplus > 0 => {}
                Some(last) => after = last,
                None => return Ok(removed),
            }
        }
    }
}

/// Records a run by hand at this moment or just after it, in whole milliseconds. Never at a whole second: that may be an instant of
/// the schedule, which would count as recorded then.
async fn insert_fire(
    transaction: &Transaction<'_>,
    job: JobId,
    trigger: TriggerId,
    invocation: InvocationId,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, DatabaseError> {
    let statement = transaction.prepare_cached(INSERT_FIRE).await?;
    let mut at = now.trunc_subsecs(3);
    loop {
        if at.nanosecond() != 0 {
            let inserted = transaction
                .execute(
                    &statement,
                    &[trigger.as_uuid(), &at, job.as_uuid(), invocation.as_uuid()],
                )
                .await?;
            if inserted > 0 {
                return Ok(at);
            }
        }
        at += TimeDelta::milliseconds(1);
    }
}

/// What the active version says of overlaps; `None` if it has no such schedule.
fn overlap_of(place: &Row) -> Option<Overlap> {
    let position = place.get::<_, Option<i32>>("position")?;
    // What can not be read is not served either; the list of triggers says why.
    let checked = Manifest::check(&place.get("manifest")).ok()?;
    let position = usize::try_from(position).ok()?;
    match checked.manifest.triggers.into_iter().nth(position)?.kind {
        TriggerKind::Schedule(schedule) => Some(schedule.overlap),
        _ => None,
    }
}

fn fire_of(row: &Row) -> StoredFire {
    StoredFire {
        at: row.get("at"),
        state: row.get("state"),
        invocation_id: row
            .get::<_, Option<Uuid>>("invocation_id")
            .map(InvocationId::from),
        last: row.get("last_at"),
        instants: row.get("instants"),
        uncounted: row.get("uncounted"),
        reason: row.get("reason"),
        manual: row.get("manual"),
        recorded: row.get("recorded_at"),
    }
}
