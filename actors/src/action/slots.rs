//! The state of a lane: who waits, which runner has room, and what can be seen of it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;

use super::lane::LaneLimits;
use crate::domain::RunnerId;
use crate::invocation::{Invocation, Refusal};
use crate::ports::ColdStart;
use crate::session::Session;

/// The queue and the slots of a lane.
pub(super) struct LaneState {
    pub(super) limits: LaneLimits,
    /// Admitted and not yet with a runner; not all of them have reached the queue.
    pub(super) waiting: u32,
    pub(super) queue: VecDeque<Invocation>,
    pub(super) slots: Vec<Slot>,
    pub(super) closed: Option<Refusal>,
    /// When the timers are looked at next, as far as that is planned.
    pub(super) next_sweep: Option<Instant>,
}

/// A place on a runner.
pub(super) struct Reserved {
    pub(super) session: Arc<Session>,
    /// Whether the runner takes nothing after this.
    pub(super) used_up: bool,
    /// Whether its time is over before the next sweep that was planned.
    pub(super) sooner: bool,
    /// When the runner became ready, and what that took.
    pub(super) ready: Instant,
    pub(super) start: ColdStart,
}

/// A runner that serves this action.
pub(super) struct Slot {
    pub(super) session: Arc<Session>,
    pub(super) start: ColdStart,
    pub(super) ready: Instant,
    pub(super) capacity: u32,
    pub(super) running: u32,
    pub(super) served: u64,
    pub(super) accepting: bool,
    pub(super) single_use: bool,
    pub(super) idle_since: Instant,
}

impl Slot {
    pub(super) fn has_room(&self) -> bool {
        self.accepting && self.running < self.capacity
    }
}

impl LaneState {
    pub(super) fn slot(&mut self, runner: RunnerId) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.session.runner() == runner)
    }

    /// Whether a runner could take an invocation now.
    pub(super) fn has_room(&self) -> bool {
        self.slots.iter().any(Slot::has_room)
    }

    /// How many invocations the runners that serve could take now.
    pub(super) fn free(&self) -> u32 {
        let free = self.slots.iter().filter(|slot| slot.has_room());
        free.map(|slot| slot.capacity - slot.running)
            .fold(0, u32::saturating_add)
    }

    /// How many invocations the runners that serve take at once.
    pub(super) fn capacity(&self) -> u32 {
        let accepting = self.slots.iter().filter(|slot| slot.accepting);
        accepting.map(|slot| slot.capacity).fold(0, u32::saturating_add)
    }

    /// Takes a place on the least busy runner that has room.
    pub(super) fn reserve(&mut self, now: Instant) -> Option<Reserved> {
        let slot = self
            .slots
            .iter_mut()
            .filter(|slot| slot.has_room())
            .min_by_key(|slot| slot.running)?;
        slot.running += 1;
        slot.served += 1;
        slot.accepting &= !slot.single_use;
        let (session, used_up) = (Arc::clone(&slot.session), slot.single_use);
        let (ready, start) = (slot.ready, slot.start);
        self.waiting = self.waiting.saturating_sub(1);
        let sooner = self.sweep_by(now + self.limits.timeout);
        Some(Reserved {
            session,
            used_up,
            sooner,
            ready,
            start,
        })
    }

    /// Plans a sweep for a time at which something is over. `false` if one is planned for then or before.
    pub(super) fn sweep_by(&mut self, over: Instant) -> bool {
        let sooner = self.next_sweep.is_none_or(|planned| over < planned);
        if sooner {
            self.next_sweep = Some(over);
        }
        sooner
    }
}

/// What became of an invocation that was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// A runner has it.
    Dispatched,
    /// It waits.
    Queued,
    /// The lane is closed; its caller was answered.
    Refused,
}

/// What a lane's queue has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Invocations that a runner has now.
    pub dispatched: usize,
    /// Invocations that still wait in the queue.
    pub queued: usize,
}

/// How busy a runner is, for the scaling decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLoad {
    /// Which.
    pub runner: RunnerId,
    /// Invocations in its hands.
    pub running: u32,
    /// Invocations it was given so far.
    pub served: u64,
    /// Since when it has none, if it has none.
    pub idle_since: Instant,
}

/// What a look at the lane's timers found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LaneSweep {
    /// Runners with a handler that does not let go: only killing them helps.
    pub stuck: Vec<RunnerId>,
    /// When to look again; `None` while nothing waits or runs.
    pub next: Option<Instant>,
}

/// How full a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LaneGauge {
    /// Admitted and not yet with a runner.
    pub waiting: u32,
    /// Most that may wait, besides what free runners could take.
    pub queue_length: u32,
    /// With a runner.
    pub running: u32,
    /// Most that the runners that serve take at once.
    pub capacity: u32,
    /// Runners that serve.
    pub runners: usize,
    /// Refused since the start because the queue was full.
    pub refused: u64,
}

impl LaneGauge {
    /// Whether it has no invocation.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.waiting == 0 && self.running == 0
    }
}
