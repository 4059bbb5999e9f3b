//! What is on its way to the durable queue. Lives outside of the actor that writes it: nothing is lost with that.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ports::{Kept, NewDelivery, Settlement};

/// Called once the delivery is kept, or can not be. Must not block.
pub(super) type OnKept = Box<dyn FnOnce(Kept) + Send>;

/// Deliveries to keep and claims to settle, in order. What puts entries in bounds them: each has a place elsewhere (an
/// unacknowledged message, a claim) until it is written.
#[derive(Default)]
pub(super) struct Outbox {
    entries: Mutex<Entries>,
    filled: Notify,
}

#[derive(Default)]
struct Entries {
    keep: VecDeque<(NewDelivery, OnKept)>,
    settle: VecDeque<Settlement>,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, delivery: NewDelivery, on_kept: OnKept) {
        self.lock().keep.push_back((delivery, on_kept));
        self.filled.notify_one();
    }

    pub(super) fn settle(&self, settlement: Settlement) {
        self.lock().settle.push_back(settlement);
        self.filled.notify_one();
    }

    /// Resolves when something was put in since the last time.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// The oldest deliveries to keep. They stay until [`Self::kept`].
    pub(super) fn to_keep(&self, most: usize) -> Vec<NewDelivery> {
        let entries = self.lock();
        let oldest = entries.keep.iter().take(most);
        oldest.map(|(delivery, _)| delivery.clone()).collect()
    }

    /// The oldest deliveries were kept, or not; whoever put them in is told.
    pub(super) fn kept(&self, answers: &[Kept]) {
        let done: Vec<(OnKept, Kept)> = {
            let mut entries = self.lock();
            let count = answers.len().min(entries.keep.len());
            let oldest = entries.keep.drain(..count);
            oldest
                .zip(answers)
                .map(|((_, on_kept), answer)| (on_kept, *answer))
                .collect()
        };
        for (on_kept, answer) in done {
            on_kept(answer);
        }
    }

    /// The oldest settlements. They stay until [`Self::settled`].
    pub(super) fn to_settle(&self, most: usize) -> Vec<Settlement> {
        self.lock().settle.iter().take(most).cloned().collect()
    }

    /// So many of the oldest settlements were written.
    pub(super) fn settled(&self, count: usize) {
        let mut entries = self.lock();
        let count = count.min(entries.settle.len());
        entries.settle.drain(..count);
    }

    /// How many deliveries and settlements wait to be written.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let entries = self.lock();
        (entries.keep.len(), entries.settle.len())
    }
}
