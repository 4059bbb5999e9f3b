//! What becomes of claimed deliveries.

use chrono::{DateTime, Utc};
use jobber_actors::domain::InvocationId;
use jobber_actors::ports::{ClaimToken, DeliveryFailure, Settlement, Tries, Verdict};
use uuid::Uuid;

use super::PostgresDurableQueue;
use super::keep::{count, json};
use crate::store::error::DatabaseError;

const DONE: &str = "
    delete from deliveries d using unnest($1::uuid[], $2::bigint[]) as s (id, token)
    where d.id = s.id and d.token = s.token and d.state = 'claimed'";
/// Null leaves what is there.
const CHANGE: &str = "
    update deliveries d
    set state = s.state, due_at = coalesce(s.due_at, d.due_at), failed = coalesce(s.failed, d.failed),
        lost = coalesce(s.lost, d.lost), failure = coalesce(s.failure::json, d.failure), owner = null, lease_until = null,
        died_at = case s.state when 'dead' then now() end
    from unnest($1::uuid[], $2::bigint[], $3::text[], $4::timestamptz[], $5::integer[], $6::integer[], $7::text[])
        as s (id, token, state, due_at, failed, lost, failure)
    where d.id = s.id and d.token = s.token and d.state = 'claimed'";

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
    /// As [`settle`](jobber_actors::ports::DurableQueue::settle). Two statements that stand for themselves: a transaction over
    /// both would take the counters' locks in an order of its own.
    pub(super) async fn finish(&self, settlements: &[Settlement]) -> Result<(), DatabaseError> {
        let mut ordered: Vec<&Settlement> = settlements.iter().collect();
        ordered.sort_unstable_by_key(|settlement| settlement.id);
        let (mut done, mut done_tokens) = (Vec::new(), Vec::new());
        let mut changes = Changes::default();
        for Settlement { id, token, verdict } in ordered {
            match verdict {
                Verdict::Done => {
                    done.push(id.as_uuid());
                    done_tokens.push(token.0);
                }
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
