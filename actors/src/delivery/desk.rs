//! The deliveries in this server's hands. Lives outside of every actor: what an attempt comes to is decided and written down also
//! while the actor that claims and writes is restarted.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ahead::Ahead;
use super::answers::{AnswerCollector, no_answer};
use super::outbox::Outbox;
use super::policy::{AttemptEnd, Next, decide};
use crate::clock::Clock;
use crate::domain::{InvocationId, JobId, ServerId};
use crate::invocation::{Cancellation, Input, InputBody, Invocation, Outcome, ReplySlot, TriggerRef};
use crate::job::ServingBoard;
use crate::manifest::RetryPolicy;
use crate::ports::{
    ClaimToken, ClaimedDelivery, Delivery, DeliveryFailure, Kept, NewDelivery, Settlement, Standing, Tries,
    Verdict,
};
use crate::trace::TraceContext;

/// Nobody serves the job: how long until the delivery is looked at again.
const UNSERVED_PAUSE: TimeDelta = TimeDelta::seconds(5);
/// The lane has no place: how long until the delivery is looked at again.
const NO_PLACE_PAUSE: TimeDelta = TimeDelta::seconds(1);

/// A claim of this server.
struct Held {
    job: JobId,
    token: ClaimToken,
    tries: Tries,
    /// Of its body, and of what the handler answered.
    bytes: usize,
    /// What ends the attempt that is under way.
    cancellation: Cancellation,
}

/// Deliveries on their way: to a runner, and back to the durable queue.
pub struct DeliveryDesk {
    /// This life of the server, under whose name it claims.
    pub server: ServerId,
    pub(super) outbox: Outbox,
    serving: Arc<ServingBoard>,
    answers: Arc<AnswerCollector>,
    clock: Clock,
    held: Mutex<HashMap<InvocationId, Held>>,
    pub(super) ahead: Ahead,
    changed: Notify,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
}

/// How full the desk is, and what it has done since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeskGauge {
    /// Claimed deliveries that are not settled yet.
    pub held: usize,
    /// Deliveries that wait to be written.
    pub to_keep: usize,
    /// Settlements that wait to be written.
    pub to_settle: usize,
    /// Attempts that succeeded.
    pub delivered: u64,
    /// Attempts that failed and are repeated.
    pub retried: u64,
    /// Deliveries that were given up.
    pub dead: u64,
}

impl std::fmt::Debug for DeliveryDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryDesk")
            .field("gauge", &self.gauge())
            .finish_non_exhaustive()
    }
}

impl DeliveryDesk {
    /// An empty desk of a new server.
    #[must_use]
    pub(crate) fn new(serving: Arc<ServingBoard>, answers: AnswerCollector, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            server: ServerId::generate(),
            outbox: Outbox::default(),
            serving,
            answers: Arc::new(answers),
            clock,
            held: Mutex::default(),
            ahead: Ahead::default(),
            changed: Notify::new(),
            counts: Counts::default(),
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<InvocationId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes claimed deliveries and hands them to the actions that serve their jobs. One that can not be handed over is due
    /// again a little later.
    pub fn take(self: &Arc<Self>, claimed: Vec<ClaimedDelivery>) {
        for claimed in claimed {
            self.hold(&claimed);
            self.hand_over(claimed);
        }
    }

    /// From now on the delivery is in this server's hands.
    pub(super) fn hold(&self, ClaimedDelivery { delivery, token }: &ClaimedDelivery) {
        let held = Held {
            job: delivery.job,
            token: *token,
            tries: delivery.tries,
            bytes: delivery.body.len(),
            cancellation: Cancellation::never(),
        };
        self.held().insert(delivery.id, held);
    }

    /// Whether the delivery is in this server's hands by this claim.
    pub(super) fn holds(&self, claimed: &ClaimedDelivery) -> bool {
        let held = self.held();
        held.get(&claimed.delivery.id)
            .is_some_and(|held| held.token == claimed.token)
    }

    pub(super) fn hand_over(self: &Arc<Self>, ClaimedDelivery { delivery, token }: ClaimedDelivery) {
        let Some(serving) = self.serving.get(delivery.job) else {
            return self.postpone(delivery.id, token, UNSERVED_PAUSE);
        };
        let Ok(permit) = serving.action.admit_patient() else {
            return self.postpone(delivery.id, token, NO_PLACE_PAUSE);
        };
        let id = delivery.id;
        let Some(reply) = self.reply(&delivery, token, serving.retries) else {
            // It was cancelled since it was claimed.
            return;
        };
        let trace = TraceContext::of_input(id, &delivery.input);
        serving.action.invoke(Invocation {
            id,
            attempt: delivery.tries.next_attempt(),
            trace,
            trigger: TriggerRef {
                id: delivery.trigger,
                name: delivery.trigger_name,
            },
            input: delivery.input.without_trace(),
            body: InputBody::Whole(delivery.body),
            admitted: Instant::now(),
            reply,
            permit,
        });
    }

    /// The way back of an attempt. `None` if the delivery is not this server's any more.
    fn reply(
        self: &Arc<Self>,
        delivery: &Delivery,
        token: ClaimToken,
        retries: RetryPolicy,
    ) -> Option<ReplySlot> {
        let (desk, id) = (Arc::clone(self), delivery.id);
        if !matches!(delivery.input, Input::Http { .. }) {
            let hear = move |outcome| desk.ended(id, token, &retries, AttemptEnd::of(outcome));
            return Some(ReplySlot::calling(hear));
        }
        let hear = move |outcome| desk.answered(id, token, retries, outcome);
        let (reply, cancellation) = ReplySlot::cancellable(hear);
        let mut held = self.held();
        // Not the reply, which is heard when it is dropped, under this lock.
        let here = held.get_mut(&id).filter(|held| held.token == token);
        let here = here.map(|held| held.cancellation = cancellation);
        drop(held);
        here.map(|()| reply)
    }

    /// A request was dealt with, or not.
    fn answered(
        self: &Arc<Self>,
        id: InvocationId,
        token: ClaimToken,
        retries: RetryPolicy,
        outcome: Outcome,
    ) {
        match outcome {
            Outcome::Responded { head, body } => {
                let desk = Arc::clone(self);
                self.answers
                    .collect(head, body, move |collected| match collected {
                        Ok(answer) => {
                            desk.counted(Next::Nothing);
                            if let Some(held) = desk.held().get_mut(&id) {
                                held.bytes += answer.body.len();
                            }
                            desk.settle(id, token, Verdict::Answered(Box::new(answer)));
                        }
                        Err(end) => desk.ended(id, token, &retries, end),
                    });
            }
            Outcome::Settled => self.ended(id, token, &retries, no_answer()),
            other => self.ended(id, token, &retries, AttemptEnd::of(other)),
        }
    }

    /// Nobody wants this delivery to be made any more: what works on it is told to stop.
    pub fn cancel(&self, id: InvocationId) {
        let held = self.held().remove(&id);
        // Outside of the lock: the end of the attempt may be heard at once.
        if let Some(held) = held {
            held.cancellation.cancel();
        }
    }

    fn postpone(&self, id: InvocationId, token: ClaimToken, after: TimeDelta) {
        self.settle(id, token, Verdict::Postponed(self.clock.now() + after));
    }

    /// An attempt ended.
    fn ended(&self, id: InvocationId, token: ClaimToken, retries: &RetryPolicy, end: AttemptEnd) {
        let Some(tries) = self.held().get(&id).map(|held| held.tries) else {
            // The lease ran out, and somebody else has it now.
            return;
        };
        let next = decide(retries, tries, end, rand::random());
        let verdict = match self.counted(next) {
            Next::Nothing => Verdict::Done,
            Next::Postpone(after) => Verdict::Postponed(self.due(after)),
            Next::Retry {
                after,
                tries,
                failure,
            } => Verdict::Retried {
                due: self.due(after),
                tries,
                failure,
            },
            Next::Dead { tries, failure } => Verdict::Dead { tries, failure },
        };
        self.settle(id, token, verdict);
    }

    pub(super) fn settle(&self, id: InvocationId, token: ClaimToken, verdict: Verdict) {
        self.outbox.settle(Settlement { id, token, verdict });
    }

    fn due(&self, after: std::time::Duration) -> DateTime<Utc> {
        let after = TimeDelta::from_std(after).unwrap_or(TimeDelta::days(1));
        self.clock.now() + after
    }

    fn counted(&self, next: Next) -> Next {
        let count = match &next {
            Next::Nothing => &self.counts.delivered,
            Next::Postpone(_) => return next,
            Next::Retry { .. } => &self.counts.retried,
            Next::Dead { .. } => &self.counts.dead,
        };
        count.fetch_add(1, Ordering::Relaxed);
        next
    }

    /// Keeps what an attempt outside of the queue came to: `delivery` was tried once, and failed. `on_kept` is called once it
    /// is a row, to be tried again or a dead letter, or can not be one.
    pub fn keep_failed(
        &self,
        mut delivery: Delivery,
        next: Next,
        on_kept: impl FnOnce(Kept) + Send + 'static,
    ) {
        let (standing, tries, failure) = match self.counted(next) {
            Next::Retry {
                after,
                tries,
                failure,
            } => (Standing::Due(self.due(after)), tries, failure),
            Next::Dead { tries, failure } => (Standing::Dead, tries, failure),
            Next::Nothing | Next::Postpone(_) => return on_kept(Kept::Yes),
        };
        delivery.tries = tries;
        let delivery = NewDelivery {
            delivery,
            standing,
            failure: Some(failure),
        };
        self.outbox.keep(delivery, Box::new(on_kept));
    }

    /// Gives up a delivery that was never tried.
    pub fn keep_dead(
        &self,
        delivery: Delivery,
        failure: DeliveryFailure,
        on_kept: impl FnOnce(Kept) + Send + 'static,
    ) {
        let tries = delivery.tries;
        self.keep_failed(delivery, Next::Dead { tries, failure }, on_kept);
    }

    /// The claims that must not run out.
    pub(super) fn claims(&self) -> Vec<(InvocationId, ClaimToken)> {
        self.held().iter().map(|(id, held)| (*id, held.token)).collect()
    }

    /// These are not this server's any more.
    pub(super) fn lost(&self, ids: &[InvocationId]) {
        // A request that another server has, or nobody any more: nobody would hear what comes of it here.
        ids.iter().for_each(|id| self.cancel(*id));
    }

    /// These settlements are written. Whose they were, as far as they are not claimed again.
    pub(super) fn written(&self, settlements: &[Settlement]) -> BTreeSet<JobId> {
        let mut held = self.held();
        let mut jobs = BTreeSet::new();
        for Settlement { id, token, .. } in settlements {
            // Claimed again meanwhile, with another token: then it stays.
            if held.get(id).is_some_and(|held| held.token == *token) {
                jobs.extend(held.remove(id).map(|held| held.job));
            }
        }
        drop(held);
        self.outbox.settled(settlements.len());
        self.changed.notify_one();
        jobs
    }

    /// By which clock things are due.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// How many deliveries are held.
    pub(super) fn len(&self) -> usize {
        self.held().len()
    }

    /// How many of them are being made, or written.
    pub(super) fn under_way(&self) -> usize {
        self.len().saturating_sub(self.waiting_ahead())
    }

    /// Bytes of their bodies and answers.
    pub(super) fn bytes(&self) -> usize {
        self.held().values().map(|held| held.bytes).sum()
    }

    /// Something may be due now: a row was added, a claim settled.
    pub fn look(&self) {
        self.changed.notify_one();
    }

    /// Resolves when there may be something to claim.
    pub(super) async fn changed(&self) {
        tokio::select! {
            () = self.changed.notified() => {}
            () = self.serving.changed() => {}
        }
    }

    /// The jobs that are served, with how much each can take.
    pub(super) fn jobs(&self) -> Vec<(crate::domain::JobId, u32)> {
        let serving = self.serving.all().into_iter();
        serving
            .map(|(job, serving)| (job, serving.action.patient_room()))
            .collect()
    }

    /// How full the desk is.
    #[must_use]
    pub fn gauge(&self) -> DeskGauge {
        let (to_keep, to_settle) = self.outbox.waiting();
        DeskGauge {
            held: self.len(),
            to_keep,
            to_settle,
            delivered: self.counts.delivered.load(Ordering::Relaxed),
            retried: self.counts.retried.load(Ordering::Relaxed),
            dead: self.counts.dead.load(Ordering::Relaxed),
        }
    }
}
