//! Deliveries that were claimed before they are due.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::desk::DeliveryDesk;
use crate::domain::{InvocationId, JobId, TriggerId};
use crate::ports::{ClaimedDelivery, Verdict};

/// Most that are handed over at once: whoever has them handed over does other things as well.
const MOST_AT_ONCE: usize = 500;

/// What waits for its time, by when that is.
type Waiting = BTreeMap<(DateTime<Utc>, InvocationId), ClaimedDelivery>;

/// What waits at the desk for its time.
#[derive(Default)]
pub(super) struct Ahead(Mutex<Waiting>);

impl Ahead {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next one out, if it is due.
    fn pop(&self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, ClaimedDelivery)> {
        let mut waiting = self.lock();
        let next = waiting.first_entry().filter(|next| next.key().0 <= now)?;
        let ((due, _), claimed) = next.remove_entry();
        Some((due, claimed))
    }
}

impl DeliveryDesk {
    /// Takes a claimed delivery that is due at some instant: it is handed over by [`hand_over_due`](Self::hand_over_due) then. Its
    /// claim is renewed meanwhile, like those of all that the desk has.
    pub(crate) fn take_ahead(&self, claimed: ClaimedDelivery, due: DateTime<Utc>) {
        self.hold(&claimed);
        self.ahead.lock().insert((due, claimed.delivery.id), claimed);
    }

    /// When the next of what was taken ahead is due.
    pub(crate) fn next_ahead(&self) -> Option<DateTime<Utc>> {
        self.ahead.lock().keys().next().map(|(due, _)| *due)
    }

    /// How many were taken ahead and wait.
    pub(crate) fn waiting_ahead(&self) -> usize {
        self.ahead.lock().len()
    }

    /// Hands over some of what was taken ahead and is due; what is of a trigger that is not wanted any more is withdrawn. Gives whose
    /// each is that was handed over, and since when it is due.
    pub(crate) fn hand_over_due(
        self: &Arc<Self>,
        is_wanted: impl Fn(TriggerId) -> bool,
    ) -> Vec<(JobId, DateTime<Utc>)> {
        let now = self.clock().now();
        let mut handed_over = Vec::new();
        while handed_over.len() < MOST_AT_ONCE
            && let Some((due, claimed)) = self.ahead.pop(now)
        {
            if !is_wanted(claimed.delivery.trigger) {
                self.settle(claimed.delivery.id, claimed.token, Verdict::Withdrawn);
            } else if self.holds(&claimed) {
                handed_over.push((claimed.delivery.job, due));
                self.hand_over(claimed);
            }
            // One that was taken away from this server meanwhile is somebody else's, or nobody's.
        }
        handed_over
    }

    /// Lets go of what was taken ahead and is not due: whoever claims it at its time delivers it.
    pub(crate) fn release_ahead(&self) {
        let waiting = std::mem::take(&mut *self.ahead.lock());
        for ((due, id), claimed) in waiting {
            self.settle(id, claimed.token, Verdict::Postponed(due));
        }
    }
}
