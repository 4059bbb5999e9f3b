//! Taking deliveries, keeping hold of them, and taking back what an earlier life left.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, JobId, ServerId};
use jobber_actors::invocation::Input;
use jobber_actors::ports::{
    ClaimToken, ClaimedDelivery, Delivery, DeliveryFailure, Room, Settlement, Tries, Verdict,
};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{PostgresDurableQueue, milliseconds, owner};
use crate::store::error::DatabaseError;

/// The due rows of the job `r.job` that may be claimed, the longest due first. Of those with the same serial key that is the
/// first, and none while another of the key is claimed.
macro_rules! whose_turn_it_is {
    () => {
        "from deliveries w
         where w.job_id = r.job and w.state = 'due'
           and (w.serial_key is null
                or not exists (select from deliveries o where o.serial_key = w.serial_key and o.state = 'claimed')
                   and not exists (select from deliveries o
                                   where o.serial_key = w.serial_key and o.state = 'due'
                                     and (o.due_at, o.id) < (w.due_at, w.id)))"
    };
}

/// Goes through each job's index for as many rows as there is room, and passes over rows that another server is claiming right
/// now: neither the length of a queue nor the number of servers makes it slow. Its rows are found by id, whatever the
/// statistics say, because an array of unknown length counts as short.
const CLAIM: &str = concat!(
    "with claimed as (
        update deliveries d
        set state = 'claimed', token = d.token + 1, lost = d.lost + case d.state when 'claimed' then 1 else 0 end,
            owner = $3, lease_until = now() + $4::bigint * interval '1 millisecond'
        where d.id = any (array(
            select id from (
                select picked.id, row_number() over line as place, sum(picked.bytes) over line as bytes
                from unnest($1::uuid[], $2::bigint[]) as r (job, room) cross join lateral (
                select either.id, either.due_at, either.bytes from (
                    select * from (
                        select w.id, w.due_at, w.bytes ",
    whose_turn_it_is!(),
    " and w.due_at <= now()
                        order by w.due_at, w.id limit r.room for update skip locked) due
                    union all
                    select * from (
                        select l.id, l.due_at, l.bytes from deliveries l
                        where l.job_id = r.job and l.state = 'claimed' and l.lease_until < now()
                        order by l.lease_until limit r.room for update skip locked) lost
                ) either
                order by either.due_at, either.id limit r.room
                ) picked
                window line as (order by picked.due_at, picked.id)
            ) lined_up
            where place = 1 or (place <= $5 and bytes <= $6::bigint)))
        returning d.id, d.job_id, d.trigger_id, d.trigger_name, d.input, d.body, d.failed, d.lost, d.token, d.due_at
    )
    select * from claimed order by due_at, id"
);
/// What one claim may bring into memory, unless a single row is larger.
const CLAIM_BYTES: i64 = 32 << 20;
/// A claim of another server ends with its lease, if that is not prolonged.
const NEXT_DUE: &str = concat!(
    "select min(next.at)
    from unnest($1::uuid[]) as r (job) cross join lateral (
        select least(
            (select w.due_at ",
    whose_turn_it_is!(),
    " order by w.due_at, w.id limit 1),
            (select l.lease_until from deliveries l
             where l.job_id = r.job and l.state = 'claimed' order by l.lease_until limit 1)) as at
    ) next"
);
const EXTEND: &str = "
    update deliveries d set lease_until = now() + $3::bigint * interval '1 millisecond'
    from unnest($1::uuid[], $2::bigint[]) as c (id, token)
    where d.id = c.id and d.token = c.token and d.state = 'claimed'
    returning d.id";
/// What is not due yet was claimed ahead, and nobody has tried it.
const RECOVER: &str = "
    update deliveries
    set state = 'due', lost = lost + case when due_at > now() then 0 else 1 end, owner = null, lease_until = null
    where state = 'claimed' and starts_with(owner, $1) and owner <> $2";

impl PostgresDurableQueue {
    /// As [`claim`](jobber_actors::ports::DurableQueue::claim). A row that can not be read becomes a dead letter: it must not
    /// keep the others from being delivered.
    pub(super) async fn take(
        &self,
        server: ServerId,
        room: &[Room],
        most: u32,
        lease: Duration,
    ) -> Result<Vec<ClaimedDelivery>, DatabaseError> {
        if room.is_empty() {
            return Ok(Vec::new());
        }
        let jobs: Vec<&Uuid> = room.iter().map(|room| room.job.as_uuid()).collect();
        let rooms: Vec<i64> = room.iter().map(|room| i64::from(room.deliveries)).collect();
        let owner = owner(&self.instance, server);
        let rows = {
            let client = self.database.client().await?;
            let statement = client.prepare_cached(CLAIM).await?;
            client
                .query(
                    &statement,
                    &[
                        &jobs,
                        &rooms,
                        &owner,
                        &milliseconds(lease),
                        &i64::from(most),
                        &CLAIM_BYTES,
                    ],
                )
                .await?
        };
        let mut claimed = Vec::with_capacity(rows.len());
        let mut unreadable = Vec::new();
        for row in &rows {
            match claimed_of(row) {
                Ok(delivery) => claimed.push(delivery),
                Err(error) => unreadable.push(given_up(row, &error)),
            }
        }
        if !unreadable.is_empty()
            && let Err(error) = self.finish(&unreadable).await
        {
            // They come again when their lease is over; those that were read must not wait for that.
            tracing::warn!(%error, "deliveries that can not be read could not be given up");
        }
        Ok(claimed)
    }

    pub(super) async fn earliest(&self, jobs: &[JobId]) -> Result<Option<DateTime<Utc>>, DatabaseError> {
        if jobs.is_empty() {
            return Ok(None);
        }
        let jobs: Vec<&Uuid> = jobs.iter().map(JobId::as_uuid).collect();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(NEXT_DUE).await?;
        Ok(client.query_one(&statement, &[&jobs]).await?.get(0))
    }

    pub(super) async fn prolong(
        &self,
        claims: &[(InvocationId, ClaimToken)],
        lease: Duration,
    ) -> Result<Vec<InvocationId>, DatabaseError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        // In the order of the ids, as settling does: the two must not wait for each other.
        let mut claims = claims.to_vec();
        claims.sort_unstable();
        let ids: Vec<&Uuid> = claims.iter().map(|(id, _)| id.as_uuid()).collect();
        let tokens: Vec<i64> = claims.iter().map(|(_, token)| token.0).collect();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(EXTEND).await?;
        let rows = client
            .query(&statement, &[&ids, &tokens, &milliseconds(lease)])
            .await?;
        let extended: HashSet<Uuid> = rows.iter().map(|row| row.get("id")).collect();
        Ok(claims
            .into_iter()
            .map(|(id, _)| id)
            .filter(|id| !extended.contains(id.as_uuid()))
            .collect())
    }

    pub(super) async fn give_back(&self, server: ServerId) -> Result<u64, DatabaseError> {
        let (prefix, now) = (format!("{}/", self.instance), owner(&self.instance, server));
        let client = self.database.client().await?;
        let statement = client.prepare_cached(RECOVER).await?;
        Ok(client.execute(&statement, &[&prefix, &now]).await?)
    }
}

fn claimed_of(row: &Row) -> Result<ClaimedDelivery, tokio_postgres::Error> {
    let Json(input) = row.try_get::<_, Json<Input>>("input")?;
    Ok(ClaimedDelivery {
        delivery: Delivery {
            id: row.get::<_, Uuid>("id").into(),
            job: row.get::<_, Uuid>("job_id").into(),
            trigger: row.get::<_, Uuid>("trigger_id").into(),
            trigger_name: row.get::<_, Option<&str>>("trigger_name").map(Into::into),
            input,
            body: Bytes::from(row.get::<_, Vec<u8>>("body")),
            tries: tries_of(row),
        },
        token: ClaimToken(row.get("token")),
    })
}

pub(in crate::store) fn tries_of(row: &Row) -> Tries {
    let attempts = |column: &str| u32::try_from(row.get::<_, i32>(column)).unwrap_or_default();
    Tries {
        failed: attempts("failed"),
        lost: attempts("lost"),
    }
}

fn given_up(row: &Row, error: &tokio_postgres::Error) -> Settlement {
    let id = InvocationId::from(row.get::<_, Uuid>("id"));
    tracing::error!(%id, error = crate::store::error::describe(error), "a delivery can not be read; it is a dead letter now");
    Settlement {
        id,
        token: ClaimToken(row.get("token")),
        verdict: Verdict::Dead {
            tries: tries_of(row),
            failure: DeliveryFailure {
                reason: "unreadable".to_owned(),
                message: "this version of Jobber can not read the delivery's input".to_owned(),
                error: None,
            },
        },
    }
}
