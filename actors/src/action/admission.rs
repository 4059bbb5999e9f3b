//! Who gets a place in a lane.

use std::sync::Arc;

use super::lane::Lane;
use super::permit::Permit;
use crate::invocation::Refusal;

/// Most patient work that waits in a lane's queue.
const PATIENT_SHARE: u32 = 32;

/// How much of a queue of this length patient work may take.
pub(crate) fn patient_share(queue_length: u32) -> u32 {
    (queue_length / 2).clamp(1, PATIENT_SHARE)
}

impl Lane {
    /// Asks for a place, before the request's body is read.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with.
    pub fn admit(self: &Arc<Self>) -> Result<Permit, Refusal> {
        let admitted = self.admit_below(u32::max);
        if let Err(refusal) = &admitted {
            self.book.tally().refuse(refusal);
            if let Refusal::QueueFull { .. } = refusal {
                self.book.tally().turn_away();
                self.refused("the queue is full", 1);
            }
        }
        admitted
    }

    /// Asks for a place for work that can wait elsewhere: at its broker, in the durable queue. Of the queue it gets only as much
    /// as keeps the runners busy, and never more than half, so that callers who wait find a place.
    ///
    /// # Errors
    /// The [`Refusal`]; [`Refusal::QueueFull`] only says that there is no place now.
    pub fn admit_patient(self: &Arc<Self>) -> Result<Permit, Refusal> {
        self.admit_below(|length, _| patient_share(length))
    }

    /// How much patient work would be admitted now.
    #[must_use]
    pub fn patient_room(&self) -> u32 {
        let state = self.lock();
        if state.closed.is_some() {
            return 0;
        }
        let most = state
            .free()
            .saturating_add(patient_share(state.limits.queue_length));
        most.saturating_sub(state.waiting)
    }

    /// Resolves when a place may have become free since this was called, or the lane closes.
    pub fn room(&self) -> tokio::sync::futures::Notified<'_> {
        self.room.notified()
    }

    /// Admits while less waits than the free runners could take and `share` of the queue's length and 1 besides.
    fn admit_below(self: &Arc<Self>, share: impl FnOnce(u32, u32) -> u32) -> Result<Permit, Refusal> {
        let mut state = self.lock();
        if let Some(refusal) = &state.closed {
            return Err(refusal.clone());
        }
        let limit = share(state.limits.queue_length, 1);
        if state.waiting >= state.free().saturating_add(limit) {
            return Err(Refusal::QueueFull { limit });
        }
        state.waiting += 1;
        drop(state);
        Ok(Permit::new(Arc::clone(self)))
    }
}
