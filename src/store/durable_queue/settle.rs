//! What becomes of claimed deliveries.

use chrono::{DateTime, Utc};
use jobber_actors::domain::InvocationId;
use jobber_actors::ports::{Answer, ClaimToken, DeliveryFailure, Settlement, Tries, Verdict};
use uuid::Uuid;

use super::PostgresDurableQueue;
use super::keep::{count, json};
use crate::store::error::DatabaseError;

const DONE: &str = "
    delete from deliveries d using unnest($1::uuid[], $2::bigint[]) as s (id, token)
    where d.id = s.id and d.token = s.token and d.state = 'claimed'";

/// Such a row has been due at its instant all the time.
const WITHDRAWN: &str = "
    with withdrawn as (
        delete from deliveries d using unnest($1::uuid[], $2::bigint[]) as s (id, token)
        where d.id = s.id and d.token = s.token and d.state = 'claimed'
        returning d.id, d.trigger_id, d.due_at
    )
    delete from schedule_fires f using withdrawn w
    where f.trigger_id = w.trigger_id and f.at = w.due_at and f.invocation_id = w.id";

/// What becomes of an asynchronous call that ends, besides how.
macro_rules! ended {
    () => {
        "ended_at = now(), endings = c.endings + 1, callback_tries = 0, callback_error = null,
         callback_state = case when c.callback_url is not null then 'pending' end,
         callback_due_at = case when c.callback_url is not null then now() end"
    };
}
pub(in crate::store) use ended;

/// A call whose claim was lost, or that was cancelled, has no row to remove, and gets no answer.
const ANSWERED: &str = concat!(
    "with answered as (
        delete from deliveries d
        using unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[]) as s (id, token, head, body)
        where d.id = s.id and d.token = s.token and d.state = 'claimed'
        returning d.id, d.failed + d.lost + 1 as attempts, s.head, s.body
    )
    update async_calls c
    set ending = 'succeeded', attempts = a.attempts, head = a.head::json, body = a.body, failure = null, ",
    ended!(),
    " from answered a where c.id = a.id"
);
/// Null leaves what is there. A call that is given up has failed.
const CHANGE: &str = concat!(
    "with changed as (
        update deliveries d
        set state = s.state, due_at = coalesce(s.due_at, d.due_at), failed = coalesce(s.failed, d.failed),
            lost = coalesce(s.lost, d.lost), failure = coalesce(s.failure::json, d.failure), owner = null, lease_until = null,
            died_at = case s.state when 'dead' then now() end
        from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::integer[], $6::integer[], $7::text[])
            as s (id, token, state, due_at, failed, lost, failure)
        where d.id = s.id and d.token = s.token and d.state = 'claimed'
        returning d.id, d.state, d.kind, d.failed + d.lost as attempts, d.failure
    )
    update async_calls c
    set ending = 'failed', attempts = a.attempts, head = null, body = null, failure = a.failure, ",
    ended!(),
    " from changed a where c.id = a.id and a.state = 'dead' and a.kind = 'http'"
);
/// What one statement may carry of answers: Postgres holds it in memory several times over.
const BATCH_BYTES: usize = 8 << 20;

/// Settlements in pieces that are not too large for one statement.
pub(super) fn batches(settlements: &[Settlement]) -> impl Iterator<Item = &[Settlement]> {
    let mut rest = settlements;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |settlement: &&Settlement| {
            if let Verdict::Answered(answer) = &settlement.verdict {
                bytes += answer.body.len();
            }
            bytes <= BATCH_BYTES
        };
        // A single one is never too large.
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, later) = rest.split_at_checked(count)?;
        rest = later;
        Some(batch)
    })
}

/// What handlers answered.
#[derive(Default)]
struct Answers<'a> {
    ids: Vec<&'a Uuid>,
    tokens: Vec<i64>,
    heads: Vec<String>,
    bodies: Vec<&'a [u8]>,
}

impl<'a> Answers<'a> {
    fn add(
        &mut self,
        claim: (&'a InvocationId, ClaimToken),
        answer: &'a Answer,
    ) -> Result<(), DatabaseError> {
        self.ids.push(claim.0.as_uuid());
        self.tokens.push(claim.1.0);
        self.heads.push(json(&answer.head)?);
        self.bodies.push(&answer.body);
        Ok(())
    }
}

/// What a row that stays becomes.
#[derive(Default)]
struct Changes<'a> {
    ids: Vec<&'a Uuid>,
    tokens: Vec<i64>,
    states: Vec<&'static str>,
    due: Vec<Option<DateTime<Utc>>>,
    failed: Vec<Option<i32>>,
    lost: Vec<Option<i32>>,
    failures: Vec<Option<String>>,
}

impl<'a> Changes<'a> {
    fn add(
        &mut self,
        claim: (&'a InvocationId, ClaimToken),
        due: Option<DateTime<Utc>>,
        tried: Option<(Tries, &DeliveryFailure)>,
    ) -> Result<(), DatabaseError> {
        self.ids.push(claim.0.as_uuid());
        self.tokens.push(claim.1.0);
        self.states.push(if due.is_some() { "due" } else { "dead" });
        self.due.push(due);
        self.failed.push(tried.map(|(tries, _)| count(tries.failed)));
        self.lost.push(tried.map(|(tries, _)| count(tries.lost)));
        self.failures
            .push(tried.map(|(_, failure)| json(failure)).transpose()?);
        Ok(())
    }
}

impl PostgresDurableQueue {
    /// As [`settle`](jobber_actors::ports::DurableQueue::settle). Statements that stand for themselves: a transaction over
    /// all would take the counters' locks in an order of its own.
    pub(super) async fn finish(&self, settlements: &[Settlement]) -> Result<(), DatabaseError> {
        let mut ordered: Vec<&Settlement> = settlements.iter().collect();
        ordered.sort_unstable_by_key(|settlement| settlement.id);
        let (mut done, mut done_tokens) = (Vec::new(), Vec::new());
        let (mut withdrawn, mut withdrawn_tokens) = (Vec::new(), Vec::new());
        let (mut answers, mut changes) = (Answers::default(), Changes::default());
        for Settlement { id, token, verdict } in ordered {
            match verdict {
                Verdict::Done => {
                    done.push(id.as_uuid());
                    done_tokens.push(token.0);
                }
                Verdict::Withdrawn => {
                    withdrawn.push(id.as_uuid());
                    withdrawn_tokens.push(token.0);
                }
                Verdict::Answered(answer) => answers.add((id, *token), answer)?,
                Verdict::Postponed(due) => changes.add((id, *token), Some(*due), None)?,
                Verdict::Retried { due, tries, failure } => {
                    changes.add((id, *token), Some(*due), Some((*tries, failure)))?;
                }
                Verdict::Dead { tries, failure } => {
                    changes.add((id, *token), None, Some((*tries, failure)))?;
                }
            }
        }
        let client = self.database.client().await?;
        if !done.is_empty() {
            let statement = client.prepare_cached(DONE).await?;
            client.execute(&statement, &[&done, &done_tokens]).await?;
        }
        if !withdrawn.is_empty() {
            let statement = client.prepare_cached(WITHDRAWN).await?;
            client
                .execute(&statement, &[&withdrawn, &withdrawn_tokens])
                .await?;
        }
        if !answers.ids.is_empty() {
            let statement = client.prepare_cached(ANSWERED).await?;
            let Answers {
                ids,
                tokens,
                heads,
                bodies,
            } = &answers;
            client.execute(&statement, &[ids, tokens, heads, bodies]).await?;
        }
        if changes.ids.is_empty() {
            return Ok(());
        }
        let statement = client.prepare_cached(CHANGE).await?;
        let Changes {
            ids,
            tokens,
            states,
            due,
            failed,
            lost,
            failures,
        } = &changes;
        client
            .execute(&statement, &[ids, tokens, states, due, failed, lost, failures])
            .await?;
        Ok(())
    }
}
