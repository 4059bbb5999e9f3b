//! Who waits for calls to end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobber_actors::domain::InvocationId;
use tokio::sync::{Notify, watch};

/// Those who wait, up to a limit. Whoever finds out that calls have ended tells it here.
#[derive(Debug)]
pub(super) struct WaitBoard {
    waiting: Mutex<HashMap<InvocationId, Awaited>>,
    most: usize,
    look: Notify,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Awaited {
    ended: watch::Sender<bool>,
    by: usize,
}

/// A place among those who wait, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    board: Arc<WaitBoard>,
    id: InvocationId,
    ended: watch::Receiver<bool>,
}

impl WaitBoard {
    /// Room for so many.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            most,
            look: Notify::new(),
            closed: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InvocationId, Awaited>> {
        // Changed in whole steps; nothing that can panic runs between them.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for somebody who waits for this call. `None` if all are taken.
    pub(super) fn wait_for(self: &Arc<Self>, id: InvocationId) -> Option<Waiting> {
        let mut waiting = self.lock();
        if waiting.values().map(|awaited| awaited.by).sum::<usize>() >= self.most {
            return None;
        }
        let awaited = waiting.entry(id).or_insert_with(|| Awaited {
            ended: watch::Sender::new(false),
            by: 0,
        });
        awaited.by += 1;
        let ended = awaited.ended.subscribe();
        if self.closed.load(Ordering::Acquire) {
            awaited.ended.send_replace(true);
        }
        drop(waiting);
        Some(Waiting {
            board: Arc::clone(self),
            id,
            ended,
        })
    }

    /// The calls that are waited for.
    pub(super) fn awaited(&self) -> Vec<InvocationId> {
        self.lock().keys().copied().collect()
    }

    /// These have ended.
    pub(super) fn ended(&self, ids: &[InvocationId]) {
        let waiting = self.lock();
        for awaited in ids.iter().filter_map(|id| waiting.get(id)) {
            awaited.ended.send_replace(true);
        }
    }

    /// Some call may have ended.
    pub(super) fn look(&self) {
        self.look.notify_one();
    }

    /// Resolves when some call may have ended.
    pub(super) async fn looked_for(&self) {
        self.look.notified().await;
    }

    /// Lets everybody go, also those who come later.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for awaited in self.lock().values() {
            awaited.ended.send_replace(true);
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().values().map(|awaited| awaited.by).sum()
    }
}

impl Waiting {
    /// Resolves when the call has ended, or nobody may wait any more.
    pub(super) async fn ended(&mut self) {
        // The sender stays on the board as long as this does: an error can only mean the same.
        drop(self.ended.wait_for(|ended| *ended).await);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.board.lock();
        if let Entry::Occupied(mut awaited) = waiting.entry(self.id) {
            awaited.get_mut().by -= 1;
            if awaited.get().by == 0 {
                awaited.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn everybody_who_waits_for_a_call_hears_of_its_end() {
        let board = WaitBoard::new(3);
        let (one, other) = (InvocationId::generate(), InvocationId::generate());
        let mut first = board.wait_for(one).unwrap();
        let mut second = board.wait_for(one).unwrap();
        let mut third = board.wait_for(other).unwrap();
        assert!(board.wait_for(other).is_none(), "all places are taken");
        board.ended(&[one]);
        first.ended().await;
        second.ended().await;
        assert!(third.ended().now_or_never().is_none());
        drop((first, second));
        assert_eq!((board.len(), board.awaited()), (1, vec![other]));
        board.close();
        third.ended().await;
        board.wait_for(one).unwrap().ended().await;
    }
}
