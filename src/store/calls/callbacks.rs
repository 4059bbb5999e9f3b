//! Callbacks that are to be sent.

use std::time::Duration;

use jobber_actors::domain::{InvocationId, JobId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::find::call_of;
use super::{CallStore, StoredCall};
use crate::store::durable_queue::milliseconds;
use crate::store::error::DatabaseError;

/// Callbacks that are looked at for one claim.
const LOOKED_AT: i64 = 500;
/// Of the longest due ones, of each job so many that with those on their way (`$6` of the jobs `$2`) there are at most `$3`.
/// Whoever claims one makes it due again after a lease: for the case that the server is lost.
const CLAIM: &str = "
    with under_way as (
        select * from unnest($2::uuid[], $6::bigint[]) as u (job_id, count)
    ), due as (
        select id, coalesce(u.count, 0) + row_number() over (partition by job_id order by callback_due_at, id) as place,
               callback_due_at
        from (select id, job_id, callback_due_at from async_calls
              where callback_state = 'pending' and callback_due_at <= now()
                and job_id <> all (array(select job_id from under_way where count >= $3))
              order by callback_due_at limit $5) first left join under_way u using (job_id)
    ), claimed as (
        update async_calls c
        set callback_due_at = now() + $4::bigint * interval '1 millisecond', callback_tries = callback_tries + 1
        where c.id = any (array(select id from due where place <= $3 order by callback_due_at limit $1))
          and c.callback_state = 'pending' and c.callback_due_at <= now()
        returning c.*
    )
    select c.id, c.job_id, c.callback_url, c.callback_tries, c.endings, c.created_at, c.ended_at, c.ending, c.attempts,
           c.failure, c.head, c.body, d.state
    from claimed c left join deliveries d on d.id = c.id and d.state <> 'dead'";
const NEXT: &str = "
    select (extract(epoch from min(callback_due_at) - now()) * 1000)::bigint from async_calls
    where callback_state = 'pending' and job_id <> all ($1::uuid[])";
/// Not what is another attempt's by now.
const SETTLE: &str = "
    update async_calls
    set callback_state = $4, callback_error = $5,
        callback_due_at = case $4 when 'pending' then now() + $6::bigint * interval '1 millisecond' end
    where id = $1 and endings = $2 and callback_tries = $3 and callback_state = 'pending'";

/// Which attempt at a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackAttempt {
    /// The call.
    pub call: InvocationId,
    /// Which ending of it is told: 1 unless it was tried again after it had failed.
    pub ending: u32,
    /// 1 for the first attempt.
    pub number: u32,
}

/// A callback that is to be sent.
#[derive(Clone, Debug)]
pub struct DueCallback {
    /// Which attempt this is.
    pub attempt: CallbackAttempt,
    /// Whose call.
    pub job: JobId,
    /// Where to.
    pub url: String,
    /// What is told.
    pub call: StoredCall,
}

/// What became of an attempt at a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackEnd {
    /// It was taken.
    Delivered,
    /// It was not, and is sent again after this.
    Again {
        /// How long to wait.
        after: Duration,
        /// Why.
        error: String,
    },
    /// It was not, and is not sent any more.
    GivenUp {
        /// Why.
        error: String,
    },
}

impl CallStore {
    /// Takes callbacks that are due: at most `most`, and of each job at most `of_a_job` together with those that it has
    /// `under_way`. They are due again after the lease.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn claim_callbacks(
        &self,
        most: usize,
        under_way: &[(JobId, usize)],
        of_a_job: usize,
        lease: Duration,
    ) -> Result<Vec<DueCallback>, DatabaseError> {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let busy: Vec<&Uuid> = under_way.iter().map(|(job, _)| job.as_uuid()).collect();
        let counts: Vec<i64> = under_way.iter().map(|(_, count)| whole(*count)).collect();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(CLAIM).await?;
        let rows = client
            .query(
                &statement,
                &[
                    &whole(most),
                    &busy,
                    &whole(of_a_job),
                    &milliseconds(lease),
                    &LOOKED_AT,
                    &counts,
                ],
            )
            .await?;
        Ok(rows.iter().filter_map(due_of).collect())
    }

    /// How long until a callback is due, of whatever job is not `busy`. `None` if none is to be sent.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn next_callback(&self, busy: &[JobId]) -> Result<Option<Duration>, DatabaseError> {
        let busy: Vec<&Uuid> = busy.iter().map(JobId::as_uuid).collect();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(NEXT).await?;
        let wait: Option<i64> = client.query_one(&statement, &[&busy]).await?.get(0);
        Ok(wait.map(|wait| Duration::from_millis(u64::try_from(wait).unwrap_or_default())))
    }

    /// Writes down what became of an attempt.
    ///
    /// # Errors
    /// [`DatabaseError`]; writing it again does no harm.
    pub async fn settle_callback(
        &self,
        attempt: CallbackAttempt,
        end: &CallbackEnd,
    ) -> Result<(), DatabaseError> {
        let (state, error, wait) = match end {
            CallbackEnd::Delivered => ("delivered", None, Duration::ZERO),
            CallbackEnd::Again { after, error } => ("pending", Some(error), *after),
            CallbackEnd::GivenUp { error } => ("given-up", Some(error), Duration::ZERO),
        };
        // A text of Postgres holds no NUL.
        let error = error.map(|error| error.replace('\0', "\u{fffd}"));
        let whole = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let client = self.database.client().await?;
        let statement = client.prepare_cached(SETTLE).await?;
        client
            .execute(
                &statement,
                &[
                    attempt.call.as_uuid(),
                    &whole(attempt.ending),
                    &whole(attempt.number),
                    &state,
                    &error,
                    &milliseconds(wait),
                ],
            )
            .await?;
        Ok(())
    }
}

fn due_of(row: &Row) -> Option<DueCallback> {
    let id = InvocationId::from(row.get::<_, Uuid>("id"));
    let count = |column: &str| u32::try_from(row.get::<_, i32>(column)).unwrap_or_default();
    match call_of(row) {
        // A call that is under way again tells how it ends.
        Ok(call) if call.state.is_final() => Some(DueCallback {
            attempt: CallbackAttempt {
                call: id,
                ending: count("endings"),
                number: count("callback_tries"),
            },
            job: row.get::<_, Uuid>("job_id").into(),
            url: row.get("callback_url"),
            call,
        }),
        Ok(_) => None,
        Err(error) => {
            tracing::error!(%id, %error, "the callback of a call that can not be read is not sent");
            None
        }
    }
}
