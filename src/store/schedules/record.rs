//! The transaction that turns instants into deliveries.
//!
//! Whoever records instants of a trigger holds its cursor: two servers take turns, and the second one finds what the first one
//! recorded. All take the locks in one order: jobs, cursors, then whatever the inserted rows count in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use deadpool_postgres::Transaction;
use jobber_actors::domain::{JobId, ServerId, TriggerId};
use jobber_actors::invocation::{Input, ScheduleInput};
use jobber_actors::manifest::Overlap;
use jobber_actors::ports::{ClaimToken, ClaimedDelivery, Delivery, Fire, Fired, Gap, SkippedFire, Tries};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresSchedules;
use super::decide::{Backlog, Decision, Knowledge, MAX_WAITING, Usage, key};
use crate::store::durable_queue::{json, milliseconds, owner};
use crate::store::error::DatabaseError;

/// Whoever holds a cursor for longer may be gone: the other schedules do not wait behind it, and this is tried again.
const BOUND_WAITS: &str = "select set_config('lock_timeout', '2s', true)";
const LOCK_JOBS: &str = "select from jobs where id = any($1) order by id for key share";
const LOCK_CURSORS: &str =
    "select from schedule_cursors where trigger_id = any($1) order by trigger_id for update";
/// Counts to `$2` and no further.
const BACKLOGS: &str = "
    select t.id,
           (select count(*) from (select from deliveries d
                                  where d.trigger_id = t.id and d.kind = 'schedule' and d.state <> 'dead' limit $2) u)
               as unfinished,
           (select count(*) from (select from deliveries d
                                  where d.trigger_id = t.id and d.kind = 'schedule' and d.state = 'due' limit $2) w)
               as waiting
    from triggers t where t.id = any($1)";
const USAGE: &str = "select job_id, rows, bytes from delivery_usage where job_id = any($1)";
const RECORDED: &str = "
    select f.trigger_id, f.at
    from unnest($1::uuid[], $2::timestamptz[]) as n (trigger_id, at)
         join schedule_fires f on f.trigger_id = n.trigger_id and f.at = n.at";
const INSERT_FIRES: &str = "
    insert into schedule_fires (trigger_id, at, job_id, state, invocation_id, last_at, reason)
    select n.trigger_id, n.at, n.job_id, case when n.reason is null then 'fired' else 'skipped' end,
           case when n.reason is null then n.invocation_id end, n.at, n.reason
    from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::text[])
        as n (trigger_id, at, job_id, invocation_id, reason)";
const INSERT_DELIVERIES: &str = "
    insert into deliveries (id, job_id, trigger_id, trigger_name, kind, input, body, bytes, serial_key, state, due_at, token,
                            owner, lease_until)
    select n.id, n.job_id, n.trigger_id, n.trigger_name, 'schedule', n.input::json, '', octet_length(n.input),
           case when n.serial then n.trigger_id end, n.state, n.due_at, case n.state when 'claimed' then 1 else 0 end,
           case n.state when 'claimed' then $9 end,
           case n.state when 'claimed' then now() + $10::bigint * interval '1 millisecond' end
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::timestamptz[])
        as n (id, job_id, trigger_id, trigger_name, input, serial, state, due_at)";
/// A gap that begins where something is recorded already was seen by another server, too.
const INSERT_GAPS: &str = "
    insert into schedule_fires (trigger_id, at, job_id, state, last_at, instants, uncounted, reason)
    select n.trigger_id, n.at, n.job_id, n.state, greatest(n.at, n.last_at), greatest(n.instants, 1), n.uncounted, n.reason
    from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::timestamptz[], $6::bigint[], $7::boolean[],
                $8::text[]) as n (trigger_id, at, job_id, state, last_at, instants, uncounted, reason)
         join triggers t on t.id = n.trigger_id
    on conflict (trigger_id, at) do nothing
    returning trigger_id, at";
const MOVE_CURSORS: &str = "
    update schedule_cursors c set handled_until = greatest(c.handled_until, n.until)
    from unnest($1::uuid[], $2::timestamptz[]) as n (trigger_id, until)
    where c.trigger_id = n.trigger_id";

/// What a statement is given.
type Parameter<'a> = &'a (dyn ToSql + Sync);

/// A fire, what becomes of it, and its input as it is kept.
struct Decided<'a> {
    fire: &'a Fire,
    input: String,
    decision: Decision,
}

impl PostgresSchedules {
    pub(super) async fn try_record(
        &self,
        server: ServerId,
        fires: &[Fire],
        gaps: &[Gap],
        lease: Duration,
    ) -> Result<Fired, DatabaseError> {
        let until = reached(fires, gaps);
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        prepare(&transaction).await?;
        let mut knowledge = lock_and_learn(&transaction, fires, &until).await?;
        let decide = |fire| {
            let input = json(&input_of(fire))?;
            let decision = knowledge.decide(fire, input.len() as u64, self.limits);
            Ok(Decided {
                fire,
                input,
                decision,
            })
        };
        let decided: Vec<Decided<'_>> = fires.iter().map(decide).collect::<Result<_, DatabaseError>>()?;
        let owner = owner(&self.instance, server);
        // Sent at once, too; after one that fails the others do nothing.
        let (_, _, gaps, _) = tokio::try_join!(
            biased;
            insert_fires(&transaction, &decided),
            insert_deliveries(&transaction, &decided, &owner, lease),
            insert_gaps(&transaction, gaps),
            move_cursors(&transaction, &until),
        )?;
        transaction.commit().await?;
        Ok(Fired {
            gaps,
            ..fired(&decided)
        })
    }
}

/// Up to where each trigger is dealt with by what is recorded.
fn reached(fires: &[Fire], gaps: &[Gap]) -> BTreeMap<TriggerId, DateTime<Utc>> {
    let instants = fires.iter().map(|fire| (fire.trigger, fire.at));
    let mut until = BTreeMap::new();
    for (trigger, at) in instants.chain(gaps.iter().map(|gap| (gap.trigger, gap.last))) {
        let latest = until.entry(trigger).or_insert(at);
        *latest = at.max(*latest);
    }
    until
}

/// Has everything prepared on this connection, so that statements can be sent together and come in order.
async fn prepare(transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
    for statement in [
        BOUND_WAITS,
        LOCK_JOBS,
        LOCK_CURSORS,
        BACKLOGS,
        USAGE,
        RECORDED,
        INSERT_FIRES,
        INSERT_DELIVERIES,
        INSERT_GAPS,
        MOVE_CURSORS,
    ] {
        transaction.prepare_cached(statement).await?;
    }
    Ok(())
}

/// Sends a prepared statement when it is polled first.
async fn query(
    transaction: &Transaction<'_>,
    statement: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<Row>, DatabaseError> {
    let statement = transaction.prepare_cached(statement).await?;
    Ok(transaction.query(&statement, parameters).await?)
}

/// Takes the locks, and reads what the decisions depend on. All of it is sent at once; Postgres does one after the other, and what is
/// read is read when the locks are there.
async fn lock_and_learn(
    transaction: &Transaction<'_>,
    fires: &[Fire],
    until: &BTreeMap<TriggerId, DateTime<Utc>>,
) -> Result<Knowledge, DatabaseError> {
    let jobs: Vec<&Uuid> = fires.iter().map(|fire| fire.job.as_uuid()).collect();
    let cursors: Vec<&Uuid> = until.keys().map(TriggerId::as_uuid).collect();
    let triggers: Vec<&Uuid> = fires.iter().map(|fire| fire.trigger.as_uuid()).collect();
    let instants: Vec<DateTime<Utc>> = fires.iter().map(|fire| fire.at).collect();
    let enough = i64::from(MAX_WAITING) + 1;
    let of_jobs: [Parameter<'_>; 1] = [&jobs];
    let of_cursors: [Parameter<'_>; 1] = [&cursors];
    let of_triggers: [Parameter<'_>; 2] = [&triggers, &enough];
    let of_instants: [Parameter<'_>; 2] = [&triggers, &instants];
    let (_, _, _, backlogs, usage, recorded) = tokio::try_join!(
        biased;
        query(transaction, BOUND_WAITS, &[]),
        query(transaction, LOCK_JOBS, &of_jobs),
        query(transaction, LOCK_CURSORS, &of_cursors),
        query(transaction, BACKLOGS, &of_triggers),
        query(transaction, USAGE, &of_jobs),
        query(transaction, RECORDED, &of_instants),
    )?;
    Ok(known(&backlogs, &usage, &recorded))
}

fn known(backlogs: &[Row], usage: &[Row], recorded: &[Row]) -> Knowledge {
    let mut knowledge = Knowledge::default();
    for row in backlogs {
        let count = |column: &str| u32::try_from(row.get::<_, i64>(column)).unwrap_or(u32::MAX);
        let backlog = Backlog {
            unfinished: count("unfinished"),
            waiting: count("waiting"),
        };
        knowledge
            .triggers
            .insert(row.get::<_, Uuid>("id").into(), backlog);
    }
    for row in usage {
        let count = |column: &str| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
        let usage = Usage {
            rows: count("rows"),
            bytes: count("bytes"),
        };
        knowledge
            .usage
            .insert(JobId::from(row.get::<_, Uuid>("job_id")), usage);
    }
    let recorded = recorded
        .iter()
        .map(|row| key(row.get::<_, Uuid>("trigger_id").into(), row.get("at")));
    knowledge.recorded.extend(recorded);
    knowledge
}

async fn insert_fires(transaction: &Transaction<'_>, decided: &[Decided<'_>]) -> Result<(), DatabaseError> {
    let new = || {
        decided.iter().filter_map(|one| match one.decision {
            Decision::Claimed | Decision::Queued => Some((one.fire, None)),
            Decision::Skipped(reason) => Some((one.fire, Some(reason.code()))),
            Decision::Known | Decision::Gone => None,
        })
    };
    let triggers: Vec<&Uuid> = new().map(|(fire, _)| fire.trigger.as_uuid()).collect();
    if triggers.is_empty() {
        return Ok(());
    }
    let instants: Vec<DateTime<Utc>> = new().map(|(fire, _)| fire.at).collect();
    let jobs: Vec<&Uuid> = new().map(|(fire, _)| fire.job.as_uuid()).collect();
    let invocations: Vec<&Uuid> = new().map(|(fire, _)| fire.invocation.as_uuid()).collect();
    let reasons: Vec<Option<&str>> = new().map(|(_, reason)| reason).collect();
    let statement = transaction.prepare_cached(INSERT_FIRES).await?;
    transaction
        .execute(&statement, &[&triggers, &instants, &jobs, &invocations, &reasons])
        .await?;
    Ok(())
}

async fn insert_deliveries(
    transaction: &Transaction<'_>,
    decided: &[Decided<'_>],
    owner: &str,
    lease: Duration,
) -> Result<(), DatabaseError> {
    let new = || {
        decided.iter().filter_map(|one| match one.decision {
            Decision::Claimed => Some((one, "claimed")),
            Decision::Queued => Some((one, "due")),
            _ => None,
        })
    };
    let ids: Vec<&Uuid> = new().map(|(one, _)| one.fire.invocation.as_uuid()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let jobs: Vec<&Uuid> = new().map(|(one, _)| one.fire.job.as_uuid()).collect();
    let triggers: Vec<&Uuid> = new().map(|(one, _)| one.fire.trigger.as_uuid()).collect();
    let names: Vec<Option<&str>> = new().map(|(one, _)| one.fire.trigger_name.as_deref()).collect();
    let inputs: Vec<&str> = new().map(|(one, _)| one.input.as_str()).collect();
    // With `skip`, too: whatever else of the trigger comes in, such as a run by hand, must not overlap either.
    let serial: Vec<bool> = new().map(|(one, _)| one.fire.overlap != Overlap::Allow).collect();
    let states: Vec<&str> = new().map(|(_, state)| state).collect();
    let due: Vec<DateTime<Utc>> = new().map(|(one, _)| one.fire.at).collect();
    let statement = transaction.prepare_cached(INSERT_DELIVERIES).await?;
    transaction
        .execute(
            &statement,
            &[
                &ids,
                &jobs,
                &triggers,
                &names,
                &inputs,
                &serial,
                &states,
                &due,
                &owner,
                &milliseconds(lease),
            ],
        )
        .await?;
    Ok(())
}

/// Gives those that were not known.
async fn insert_gaps(transaction: &Transaction<'_>, gaps: &[Gap]) -> Result<Vec<Gap>, DatabaseError> {
    if gaps.is_empty() {
        return Ok(Vec::new());
    }
    let triggers: Vec<&Uuid> = gaps.iter().map(|gap| gap.trigger.as_uuid()).collect();
    let firsts: Vec<DateTime<Utc>> = gaps.iter().map(|gap| gap.first).collect();
    let jobs: Vec<&Uuid> = gaps.iter().map(|gap| gap.job.as_uuid()).collect();
    let states: Vec<&str> = gaps.iter().map(|gap| gap.reason.status().name()).collect();
    let lasts: Vec<DateTime<Utc>> = gaps.iter().map(|gap| gap.last).collect();
    let instants: Vec<i64> = gaps.iter().map(|gap| i64::from(gap.instants)).collect();
    let uncounted: Vec<bool> = gaps.iter().map(|gap| gap.uncounted).collect();
    let reasons: Vec<&str> = gaps.iter().map(|gap| gap.reason.code()).collect();
    let statement = transaction.prepare_cached(INSERT_GAPS).await?;
    let inserted = transaction
        .query(
            &statement,
            &[
                &triggers, &firsts, &jobs, &states, &lasts, &instants, &uncounted, &reasons,
            ],
        )
        .await?;
    let new: BTreeSet<_> = inserted
        .iter()
        .map(|row| key(row.get::<_, Uuid>("trigger_id").into(), row.get("at")))
        .collect();
    let gaps = gaps
        .iter()
        .filter(|gap| new.contains(&key(gap.trigger, gap.first)));
    Ok(gaps.cloned().collect())
}

async fn move_cursors(
    transaction: &Transaction<'_>,
    until: &BTreeMap<TriggerId, DateTime<Utc>>,
) -> Result<(), DatabaseError> {
    let triggers: Vec<&Uuid> = until.keys().map(TriggerId::as_uuid).collect();
    let until: Vec<&DateTime<Utc>> = until.values().collect();
    let statement = transaction.prepare_cached(MOVE_CURSORS).await?;
    transaction.execute(&statement, &[&triggers, &until]).await?;
    Ok(())
}

/// What the caller has to deliver, and how much became of the rest.
fn fired(decided: &[Decided<'_>]) -> Fired {
    let mut fired = Fired::default();
    for Decided { fire, decision, .. } in decided {
        match decision {
            Decision::Claimed => fired.claimed.push(claimed(fire)),
            Decision::Queued => fired.queued.push(fire.invocation),
            Decision::Skipped(reason) => fired.skipped.push(SkippedFire {
                fire: (*fire).clone(),
                reason: *reason,
            }),
            Decision::Known => fired.known += 1,
            Decision::Gone => {}
        }
    }
    fired
}

fn claimed(fire: &Fire) -> ClaimedDelivery {
    ClaimedDelivery {
        delivery: Delivery {
            id: fire.invocation,
            job: fire.job,
            trigger: fire.trigger,
            trigger_name: fire.trigger_name.clone(),
            input: input_of(fire),
            body: Bytes::new(),
            tries: Tries::default(),
        },
        token: ClaimToken(1),
    }
}

fn input_of(fire: &Fire) -> Input {
    Input::Schedule {
        schedule: ScheduleInput {
            scheduled_at: fire.at,
        },
    }
}
