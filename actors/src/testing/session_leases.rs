//! Leases of sessions, given and taken by the test.

use tokio::sync::watch;

use crate::ports::{Lease, LeaseState, SessionLeases, SessionName};

/// Gives every lease, until it is told that another server has them.
#[derive(Debug)]
pub struct FakeLeases(watch::Sender<LeaseState>);

impl Default for FakeLeases {
    fn default() -> Self {
        Self(watch::Sender::new(LeaseState::Held))
    }
}

impl FakeLeases {
    /// How it stands with every lease from now on.
    pub fn set(&self, state: LeaseState) {
        self.0.send_replace(state);
    }
}

impl SessionLeases for FakeLeases {
    fn claim(&self, _: SessionName) -> Lease {
        Lease::new(self.0.subscribe(), ())
    }
}
