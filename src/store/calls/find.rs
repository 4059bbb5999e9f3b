//! How calls stand, and cancelling them.

use chrono::{DateTime, Utc};
use jobber_actors::domain::InvocationId;
use jobber_actors::invocation::ResponseHead;
use jobber_actors::ports::{Answer, DeliveryFailure};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::CallStore;
use crate::store::durable_queue::ended;
use crate::store::error::DatabaseError;

/// What a call's row and that of its delivery say. `$2` is whether its answer is wanted, too.
const FIND: &str = "
    select c.created_at, c.ended_at, c.ending, d.state, case when d.id is null then c.attempts else d.failed + d.lost end as attempts,
           c.failure, case when $2::boolean then c.head end as head, case when $2::boolean then c.body end as body
    from async_calls c left join deliveries d on d.id = c.id and d.state <> 'dead'
    where c.id = $1";
/// A delivery that is not settled counts, whatever its call came to before.
const ENDED: &str = "
    select w.id from unnest($1::uuid[]) as w (id) left join async_calls c on c.id = w.id
    where (c.id is null or c.ending is not null)
      and not exists (select from deliveries d where d.id = w.id and d.state <> 'dead')";
/// Whoever works on it is told. What it says of it later has no effect: the delivery is gone.
const CANCEL: &str = concat!(
    "with gone as (
        delete from deliveries where id = $1 and kind = 'http' and state in ('due', 'claimed')
        returning id, state, failed + lost + case state when 'claimed' then 1 else 0 end as attempts
    ), cancelled as (
        update async_calls c
        set ending = 'cancelled', attempts = a.attempts, head = null, body = null, failure = null, ",
    ended!(),
    " from gone a where c.id = a.id
        returning c.id
    )
    select case state when 'claimed' then pg_notify('jobber_cancels', id::text)::text end from gone"
);
const EXISTS: &str = "select exists (select from async_calls where id = $1)";

/// How a call stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredState {
    /// It waits for its turn, or for another attempt.
    Queued,
    /// A server has it in its hands.
    Running,
    /// The handler answered. The answer is there if it was asked for.
    Succeeded(Option<Box<Answer>>),
    /// It was given up.
    Failed(DeliveryFailure),
    /// Somebody did not want it any more.
    Cancelled,
}

impl StoredState {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A call, as Postgres has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCall {
    /// When it was accepted.
    pub created: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// Attempts that are over.
    pub attempts: u32,
    /// How it stands.
    pub state: StoredState,
}

/// What cancelling a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It is cancelled.
    Yes,
    /// It had ended before.
    HadEnded,
    /// There is no such call.
    Unknown,
}

impl CallStore {
    /// How a call stands, with its answer if that is wanted.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(
        &self,
        id: InvocationId,
        with_answer: bool,
    ) -> Result<Option<StoredCall>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIND).await?;
        let row = client
            .query_opt(&statement, &[id.as_uuid(), &with_answer])
            .await?;
        row.map(|row| call_of(&row)).transpose()
    }

    /// Which of these calls have ended, or are not there.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn ended_of(&self, ids: &[InvocationId]) -> Result<Vec<InvocationId>, DatabaseError> {
        let ids: Vec<&Uuid> = ids.iter().map(InvocationId::as_uuid).collect();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(ENDED).await?;
        let rows = client.query(&statement, &[&ids]).await?;
        Ok(rows.iter().map(|row| row.get::<_, Uuid>("id").into()).collect())
    }

    /// Cancels a call that has not ended.
    ///
    /// # Errors
    /// [`DatabaseError`]; cancelling it again does no harm.
    pub async fn cancel(&self, id: InvocationId) -> Result<Cancelled, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(CANCEL).await?;
        if client.query_opt(&statement, &[id.as_uuid()]).await?.is_some() {
            return Ok(Cancelled::Yes);
        }
        let statement = client.prepare_cached(EXISTS).await?;
        let exists: bool = client.query_one(&statement, &[id.as_uuid()]).await?.get(0);
        Ok(if exists {
            Cancelled::HadEnded
        } else {
            Cancelled::Unknown
        })
    }
}

/// The call of a row with the columns of [`FIND`].
pub(super) fn call_of(row: &Row) -> Result<StoredCall, DatabaseError> {
    let state = match row.get::<_, Option<&str>>("state") {
        Some("claimed") => StoredState::Running,
        Some(_) => StoredState::Queued,
        None => ending_of(row)?,
    };
    let ended = row.get("ended_at");
    Ok(StoredCall {
        created: row.get("created_at"),
        ended: if state.is_final() { ended } else { None },
        attempts: u32::try_from(row.get::<_, i32>("attempts")).unwrap_or_default(),
        state,
    })
}

fn ending_of(row: &Row) -> Result<StoredState, DatabaseError> {
    match row.get::<_, Option<&str>>("ending") {
        Some("succeeded") => {
            let head = row.try_get::<_, Option<Json<ResponseHead>>>("head")?;
            let body = row.get::<_, Option<Vec<u8>>>("body");
            let answer = head.zip(body).map(|(Json(head), body)| {
                Box::new(Answer {
                    head,
                    body: body.into(),
                })
            });
            Ok(StoredState::Succeeded(answer))
        }
        Some("failed") => {
            let failure = row.try_get::<_, Option<Json<DeliveryFailure>>>("failure")?;
            Ok(StoredState::Failed(
                failure.map_or_else(unknown, |Json(failure)| failure),
            ))
        }
        Some("cancelled") => Ok(StoredState::Cancelled),
        _ => Err(DatabaseError::Unexpected(
            "an asynchronous call that has neither an end nor a delivery".to_owned(),
        )),
    }
}

fn unknown() -> DeliveryFailure {
    DeliveryFailure {
        reason: "unknown".to_owned(),
        message: "why it failed was not written down".to_owned(),
        error: None,
    }
}
