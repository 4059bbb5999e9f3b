//! The way back to a caller, and the caller's way to say that it no longer waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{ByHand, LostReason, Outcome, ResponseHead};
use crate::ledger::Entry;
use crate::trace::InvocationSpan;

/// Answers one invocation. Dropping it unanswered answers [`LostReason::Dropped`].
#[derive(Debug)]
pub struct ReplySlot {
    to: Option<ReplyTo>,
    cancellation: Cancellation,
    /// Its entry in the ledger; nothing before it was placed.
    entry: Option<Box<Entry>>,
    /// Why a person has asked for it, if one has.
    by_hand: Option<ByHand>,
    span: InvocationSpan,
}

/// Who hears the answer.
enum ReplyTo {
    /// Somebody who waits for it.
    Waiting(oneshot::Sender<Outcome>),
    /// Whoever is called with it.
    Called(Box<dyn FnOnce(Outcome) + Send>),
}

impl std::fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Waiting(_) => "Waiting",
            Self::Called(_) => "Called",
        })
    }
}

impl ReplySlot {
    /// A slot whose answer is handed to `hear`, on the thread that gives it: it must not block. Nobody waits, so nobody
    /// gives up.
    #[must_use]
    pub fn calling(hear: impl FnOnce(Outcome) + Send + 'static) -> Self {
        Self {
            to: Some(ReplyTo::Called(Box::new(hear))),
            cancellation: Cancellation::never(),
            entry: None,
            by_hand: None,
            span: InvocationSpan::default(),
        }
    }

    /// As [`calling`](Self::calling), and what says that nobody wants the answer any more.
    #[must_use]
    pub fn cancellable(hear: impl FnOnce(Outcome) + Send + 'static) -> (Self, Cancellation) {
        let cancellation = Cancellation::of_caller();
        let mut slot = Self::calling(hear);
        slot.cancellation = cancellation.clone();
        (slot, cancellation)
    }

    /// A person has asked for this.
    pub(crate) fn is_by_hand(&mut self, reason: ByHand) {
        self.by_hand = Some(reason);
    }

    /// The answer makes a record of this.
    pub(crate) fn enter(&mut self, mut entry: Box<Entry>) {
        if let Some(reason) = self.by_hand {
            entry.is_by_hand(reason);
        }
        self.entry = Some(entry);
    }

    /// What the ledger knows of it.
    pub(crate) fn entry(&mut self) -> Option<&mut Entry> {
        self.entry.as_deref_mut()
    }

    /// The answer's body goes by in pieces, of which this is the first. Whoever lets it go by gets the entry, and ends it.
    pub(crate) fn let_pass(&mut self, head: &ResponseHead, first: &[u8]) -> Option<Box<Entry>> {
        let mut entry = self.entry.take()?;
        entry.answer_passes(head, first);
        Some(entry)
    }

    /// Ends this span with the answer.
    pub(crate) fn watch(&mut self, span: InvocationSpan) {
        self.span = span;
    }

    /// The span that ends with the answer.
    pub(crate) fn span(&self) -> &InvocationSpan {
        &self.span
    }

    /// Gives the answer. A caller that is gone does not hear it.
    pub fn answer(mut self, outcome: Outcome) {
        self.send(outcome, Instant::now());
    }

    /// As [`answer`](Self::answer), for whoever knows what time it is.
    pub(crate) fn answer_at(mut self, outcome: Outcome, now: Instant) {
        self.send(outcome, now);
    }

    /// Whether the caller gave up, to be looked at before work is begun.
    #[must_use]
    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    fn send(&mut self, outcome: Outcome, now: Instant) {
        // Ends here, and not with the caller's hearing of it.
        std::mem::take(&mut self.span).answered(&outcome);
        if let Some(entry) = self.entry.take() {
            entry.end(&outcome, self.cancellation.is_cancelled(), now);
        }
        match self.to.take() {
            // The receiver may be gone: then the caller cancelled, which is recorded on its own side.
            Some(ReplyTo::Waiting(sender)) => drop(sender.send(outcome)),
            Some(ReplyTo::Called(hear)) => hear(outcome),
            None => {}
        }
    }
}

impl Drop for ReplySlot {
    fn drop(&mut self) {
        // Answered already, as nearly all are, there is nobody to tell.
        if self.to.is_some() || self.entry.is_some() {
            self.send(Outcome::Lost(LostReason::Dropped), Instant::now());
        }
    }
}

/// The caller's end: resolves to the outcome; dropping it before that cancels the invocation.
#[derive(Debug)]
pub struct PendingReply {
    receiver: oneshot::Receiver<Outcome>,
    cancellation: Cancellation,
}

impl PendingReply {
    /// Waits for the outcome.
    pub async fn outcome(mut self) -> Outcome {
        // A slot answers when it is dropped, so the error is unreachable but for a leak of the slot.
        let outcome = (&mut self.receiver)
            .await
            .unwrap_or(Outcome::Lost(LostReason::Dropped));
        self.cancellation.answered();
        outcome
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        self.cancellation.cancel_unless_answered();
    }
}

/// Whether a caller still waits. Shared by both ends.
#[derive(Clone)]
pub struct Cancellation {
    /// Nothing where nobody waits.
    shared: Option<Arc<CancellationState>>,
}

#[derive(Default)]
struct CancellationState {
    answered: AtomicBool,
    cancelled: AtomicBool,
    hook: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Cancellation {
    /// Of a caller that waits.
    fn of_caller() -> Self {
        Self {
            shared: Some(Arc::default()),
        }
    }

    /// Of nobody: it never comes.
    pub(crate) const fn never() -> Self {
        Self { shared: None }
    }

    /// This, unless nobody waits and it never comes.
    pub(crate) fn of_somebody(&self) -> Option<&Self> {
        self.shared.is_some().then_some(self)
    }

    /// Whether the caller gave up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let shared = self.shared.as_ref();
        shared.is_some_and(|shared| shared.cancelled.load(Ordering::Acquire))
    }

    /// Calls `hook` once when the caller gives up; at once if it already did. A later hook replaces an earlier one
    /// (a re-queued invocation has another runner to tell).
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) {
        let Some(shared) = &self.shared else { return };
        *shared.hook() = Some(Box::new(hook));
        if self.is_cancelled() {
            shared.run_hook();
        }
    }

    /// The caller gives up.
    pub fn cancel(&self) {
        if let Some(shared) = &self.shared {
            shared.cancelled.store(true, Ordering::Release);
            shared.run_hook();
        }
    }

    fn answered(&self) {
        if let Some(shared) = &self.shared {
            shared.answered.store(true, Ordering::Release);
        }
    }

    fn cancel_unless_answered(&self) {
        let shared = self.shared.as_ref();
        if shared.is_some_and(|shared| !shared.answered.load(Ordering::Acquire)) {
            self.cancel();
        }
    }
}

impl CancellationState {
    fn run_hook(&self) {
        let hook = self.hook().take();
        if let Some(hook) = hook {
            hook();
        }
    }

    fn hook(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn FnOnce() + Send>>> {
        self.hook.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cancellation")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// A reply slot and the end that waits for it.
#[must_use]
pub fn reply_channel() -> (ReplySlot, PendingReply) {
    let (sender, receiver) = oneshot::channel();
    let cancellation = Cancellation::of_caller();
    (
        ReplySlot {
            to: Some(ReplyTo::Waiting(sender)),
            cancellation: cancellation.clone(),
            entry: None,
            by_hand: None,
            span: InvocationSpan::default(),
        },
        PendingReply {
            receiver,
            cancellation,
        },
    )
}
