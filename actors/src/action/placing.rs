//! How invocations get from their callers to runners: at once, or by way of the queue.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use tokio::time::Instant;

use super::lane::Lane;
use super::permit::Place;
use super::slots::{Advance, LaneState, Placed, Reserved};
use crate::invocation::{Invocation, Outcome, Refusal};
use crate::ledger::Entry;
use crate::metrics::NewRunner;

impl Lane {
    /// Gives an admitted invocation to a runner, or queues it behind those that came before.
    pub fn place(self: &Arc<Self>, mut invocation: Invocation, now: Instant) -> Placed {
        let entry = Entry::new(
            &self.book,
            invocation.id,
            invocation.attempt,
            &invocation.trigger,
            invocation.input.kind(),
            invocation.admitted,
        );
        invocation.reply.enter(entry);
        self.spans.begin(&mut invocation);
        let mut state = self.lock();
        if let Some(refusal) = state.closed.clone() {
            drop(state);
            return refuse(invocation, refusal);
        }
        let free = if state.queue.is_empty() {
            state.reserve(now)
        } else {
            None
        };
        let Some(reserved) = free else {
            return self.queue(state, invocation, VecDeque::push_back);
        };
        drop(state);
        match self.dispatch(&reserved, invocation, now) {
            Ok(()) => Placed::Dispatched,
            Err(invocation) => self.returned(*invocation),
        }
    }

    /// Lets an invocation wait, before or behind the others, and tells the actor if that matters to it.
    fn queue(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, LaneState>,
        invocation: Invocation,
        add: fn(&mut VecDeque<Invocation>, Invocation),
    ) -> Placed {
        // Under the lock: a sweep that this asks for at once must find it, and whoever dispatches it has a hook of its own.
        let lane = Arc::downgrade(self);
        invocation.reply.cancellation().on_cancel(move || {
            if let Some(lane) = lane.upgrade() {
                lane.sweep_soon();
            }
        });
        let over = invocation.admitted + state.limits.queue_wait;
        add(&mut state.queue, invocation);
        let sooner = state.sweep_by(over);
        // Room that was made since the lane was found full: nobody else looks at the queue for its sake.
        let room = state.has_room();
        drop(state);
        if sooner {
            self.to_sweep.store(true, Ordering::Release);
        }
        if sooner || room || self.watch_queue.load(Ordering::Acquire) {
            self.wake();
        }
        Placed::Queued
    }

    /// Lets an invocation wait before all others: its runner turned out to be gone, which the actor must see to.
    fn returned(self: &Arc<Self>, invocation: Invocation) -> Placed {
        let state = self.lock();
        if let Some(refusal) = state.closed.clone() {
            // Closed since it was placed: nobody looks into the queue any more.
            drop(state);
            return refuse(invocation, refusal);
        }
        let placed = self.queue(state, invocation, VecDeque::push_front);
        self.wake();
        placed
    }

    /// Gives what waits to runners that have room, and tells whoever waits for a place. For whoever has given permits back
    /// without a wake.
    pub(crate) fn hand_out(self: &Arc<Self>, now: Instant) {
        let _: Advance = self.advance(now);
        self.room.notify_waiters();
    }

    /// Gives queued invocations to runners that have room, the oldest first.
    pub fn advance(self: &Arc<Self>, now: Instant) -> Advance {
        let mut advance = Advance::default();
        loop {
            let (invocation, reserved) = {
                let mut state = self.lock();
                if state.queue.is_empty() {
                    return advance;
                }
                let Some(reserved) = state.reserve(now) else {
                    advance.queued = state.queue.len();
                    return advance;
                };
                let Some(invocation) = state.queue.pop_front() else {
                    return advance;
                };
                (invocation, reserved)
            };
            match self.dispatch(&reserved, invocation, now) {
                Ok(()) => advance.dispatched += 1,
                Err(invocation) => {
                    // Refused only if the lane was closed meanwhile; then the queue is empty.
                    let _: Placed = self.returned(*invocation);
                }
            }
        }
    }

    /// Hands an invocation over, outside of the lock. One that comes back was never seen by the runner.
    fn dispatch(
        &self,
        Reserved {
            session,
            used_up,
            sooner,
            ready,
            start,
        }: &Reserved,
        mut invocation: Invocation,
        now: Instant,
    ) -> Result<(), Box<Invocation>> {
        let runner = session.runner();
        invocation.permit.moved_to(Place::Running(runner));
        invocation.reply.span().given_to(runner);
        let waited_for_it = invocation.admitted < *ready;
        if let Some(entry) = invocation.reply.entry() {
            let (ready, start) = (*ready, *start);
            entry.waited_for(waited_for_it.then_some(NewRunner { ready, start }));
        }
        let handed_over = session.invoke(invocation, now);
        if *sooner {
            self.sweep_soon();
        } else if *used_up && handed_over.is_ok() {
            // The next runner is to be made ready.
            self.wake();
        }
        handed_over.map_err(|mut invocation| {
            let mut state = self.lock();
            state.waiting += 1;
            if let Some(slot) = state.slot(runner) {
                slot.running = slot.running.saturating_sub(1);
                // Its session is over; the actor will be told so.
                slot.accepting = false;
            }
            drop(state);
            invocation.permit.moved_to(Place::Waiting);
            invocation
        })
    }
}

fn refuse(invocation: Invocation, refusal: Refusal) -> Placed {
    invocation.answer(Outcome::Refused(refusal));
    Placed::Refused
}
