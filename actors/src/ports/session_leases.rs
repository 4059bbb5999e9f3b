//! Leases of sessions with brokers: servers on one database may each want a session, and only one of them may have it. A broker
//! ends a client's connection when another client comes with the same id.

use std::fmt;

use tokio::sync::watch;

/// What a session is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionName {
    /// The broker: protocol, host and port.
    pub broker: String,
    /// The client's id there.
    pub client_id: String,
}

/// How it stands with a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseState {
    /// Nothing is known yet.
    Asked,
    /// This server has it, until [`LeaseState::Elsewhere`] says otherwise. It is not lost for want of a database: then no other
    /// server could be given it either.
    Held,
    /// Another server has it. It is asked for again and again.
    Elsewhere,
    /// It could not be asked for, for this reason. It is tried again.
    Unknown(String),
}

/// A lease that somebody wants. It is given back when this is dropped.
pub struct Lease {
    state: watch::Receiver<LeaseState>,
    _claim: Box<dyn Send + Sync>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

impl Lease {
    /// A lease whose state is told here. `claim` is dropped when nobody wants it any more.
    #[must_use]
    pub fn new(state: watch::Receiver<LeaseState>, claim: impl Send + Sync + 'static) -> Self {
        Self {
            state,
            _claim: Box::new(claim),
        }
    }

    /// How it stands with it now.
    #[must_use]
    pub fn state(&mut self) -> LeaseState {
        self.state.borrow_and_update().clone()
    }

    /// Waits until it stands otherwise than [`state`](Self::state) said last; for ever once whoever gives leases is gone.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this server does not have it any more.
    pub async fn lost(&mut self) {
        while *self.state.borrow_and_update() == LeaseState::Held {
            self.changed().await;
        }
    }
}

/// Gives the servers on one database the leases of sessions.
pub trait SessionLeases: Send + Sync + 'static {
    /// Asks for a lease, until what this gives is dropped. Within one server a lease may be asked for more than once at a time.
    fn claim(&self, session: SessionName) -> Lease;
}
