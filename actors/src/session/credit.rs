//! How much of a body may still be sent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A window of body bytes: the peer adds to it, the sender takes from it.
#[derive(Debug)]
pub(super) struct Credit {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    available: u64,
    closed: bool,
}

/// Nobody wants the rest of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct CreditClosed;

impl Credit {
    pub(super) fn new(available: u64) -> Self {
        Self {
            state: Mutex::new(State {
                available,
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes between 1 and `most` bytes, as soon as there are any.
    pub(super) async fn take(&self, most: u64) -> Result<u64, CreditClosed> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.closed {
                    return Err(CreditClosed);
                }
                if state.available > 0 {
                    let taken = state.available.min(most);
                    state.available -= taken;
                    return Ok(taken);
                }
            }
            changed.await;
        }
    }

    /// The peer grants more.
    pub(super) fn add(&self, bytes: u32) {
        let mut state = self.lock();
        state.available = state.available.saturating_add(u64::from(bytes));
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing more will be sent; who waits is told.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Resolves when the window is closed.
    pub(super) async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().closed {
                return;
            }
            changed.await;
        }
    }
}
