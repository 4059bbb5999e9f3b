//! What of a session outlives a connection.
//!
//! A subscriber never publishes, and what it had not acknowledged the broker sends again. What remains is QoS 2: which
//! messages were acknowledged with a PUBREC that the broker may not have seen. Only those it sends again must not be taken
//! twice. That is kept in memory and lost with the process, so after a crash such a message may come a second time.

use std::sync::{Arc, Mutex, PoisonError};

/// The packet ids of the messages of QoS 2 that were acknowledged and not yet released by the broker.
///
/// To the crates it is a session store. A client without one would have to refuse a session that the broker remembers from
/// an earlier process, or could not subscribe in it. But the crates save the session whenever they send a packet, which costs
/// more than the packet: once connected they have the store only if there is something in it, or a message of QoS 2 came.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionMemory(Arc<Mutex<Vec<u16>>>);

impl SessionMemory {
    /// All of them.
    pub(super) fn acknowledged(&self) -> Vec<u16> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// These and no others.
    pub(super) fn replace(&self, packets: impl Iterator<Item = u16>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
        kept.extend(packets);
    }
}
