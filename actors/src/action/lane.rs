//! What of an action must survive its actor: the queue, the permits and the runners' slots.
//!
//! Whoever has an invocation asks the lane for a permit and places it, from any thread: where a runner has room that needs no
//! actor. Whoever reads a runner's answers hands out what had to wait. The Action actor keeps the times, sees to it that there
//! are runners, and hands out what is left. Permits come back by being dropped, wherever that happens.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::RunnerId;
use crate::invocation::{LostReason, Outcome, Refusal, TimeoutPhase};
use crate::ledger::Book;
use crate::metrics::JobTally;
use crate::ports::ColdStart;
use crate::session::{Session, Sweep};
use crate::trace::InvocationSpans;

use super::permit::Place;
use super::slots::{LaneGauge, LaneState, LaneSweep, Slot, SlotLoad};

/// How much a lane holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Most invocations that wait for a runner; at least one, or nothing could ever be handed over.
    pub queue_length: u32,
    /// Longest wait for a runner.
    pub queue_wait: Duration,
    /// Longest run of a handler.
    pub timeout: Duration,
}

/// Called when something changed that the Action actor may act on. Must not block.
type Wake = Box<dyn Fn() + Send + Sync>;
/// Hears why so many calls were refused. Must not block.
type RefusalHook = Box<dyn Fn(&'static str, u64) + Send + Sync>;

/// The queue, the permits and the slots of one action.
pub struct Lane {
    state: Mutex<LaneState>,
    wake: Mutex<Option<Wake>>,
    /// Whether the actor was woken and has not looked yet: many changes cost one message.
    woken: AtomicBool,
    /// Whether the actor wants to hear of every runner that falls idle (one is to be retired).
    watch_idle: AtomicBool,
    /// Whether the actor wants to hear of everything that has to wait (another runner could be started for it).
    pub(super) watch_queue: AtomicBool,
    /// Whether there is something to sweep: a caller in the queue gave up, or a time runs out before the planned sweep.
    pub(super) to_sweep: AtomicBool,
    /// Whether the last runner that was to be started for it could not be.
    troubled: AtomicBool,
    /// The ledger's page of the version.
    pub(super) book: Arc<Book>,
    /// What the spans of invocations say.
    pub(super) spans: InvocationSpans,
    /// Tells whoever waits for a place that there may be one.
    pub(super) room: Notify,
    /// Tells of refusals.
    on_refusal: OnceLock<RefusalHook>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("gauge", &self.gauge())
            .finish_non_exhaustive()
    }
}

impl Lane {
    /// An empty lane without runners, of a version with this page in the ledger.
    #[must_use]
    pub fn new(limits: LaneLimits, book: Arc<Book>) -> Arc<Self> {
        Self::with_spans(limits, book, InvocationSpans::default())
    }

    /// As [`new`](Self::new), with something to say in the spans of its invocations.
    #[must_use]
    pub fn with_spans(limits: LaneLimits, book: Arc<Book>, spans: InvocationSpans) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(LaneState {
                limits,
                waiting: 0,
                queue: VecDeque::new(),
                slots: Vec::new(),
                closed: None,
                next_sweep: None,
            }),
            wake: Mutex::default(),
            woken: AtomicBool::new(false),
            watch_idle: AtomicBool::new(false),
            watch_queue: AtomicBool::new(true),
            to_sweep: AtomicBool::new(false),
            troubled: AtomicBool::new(false),
            book,
            spans,
            room: Notify::new(),
            on_refusal: OnceLock::new(),
        })
    }

    /// Whom to call when there may be something to do: an invocation that waits, room for one, a time to keep, a caller that
    /// gave up.
    pub fn on_change(&self, wake: impl Fn() + Send + Sync + 'static) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
        // What happened while nobody listened (the actor was restarting) is looked at once.
        self.watch_queue(true);
        self.woken.store(false, Ordering::Release);
        self.wake();
    }

    /// Whom to tell that calls were refused, and why. Only the first one is told.
    pub fn on_refusal(&self, hook: impl Fn(&'static str, u64) + Send + Sync + 'static) {
        // Whoever is the second one has no lane of its own.
        let _: Result<(), _> = self.on_refusal.set(Box::new(hook));
    }

    /// So many calls were refused.
    pub(super) fn refused(&self, reason: &'static str, calls: usize) {
        if calls > 0
            && let Some(hook) = self.on_refusal.get()
        {
            hook(reason, u64::try_from(calls).unwrap_or(u64::MAX));
        }
    }

    /// The actor looks now; the next change wakes it again.
    pub fn looked_at(&self) {
        self.woken.store(false, Ordering::Release);
    }

    /// Whether every runner that falls idle is worth a wake.
    pub fn watch_idle(&self, watch: bool) {
        self.watch_idle.store(watch, Ordering::Release);
    }

    /// Whether everything that has to wait is worth a wake.
    pub fn watch_queue(&self, watch: bool) {
        self.watch_queue.store(watch, Ordering::Release);
    }

    /// Whether the last runner that was to be started could not be, and none has been since.
    #[must_use]
    pub fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    pub(super) fn set_troubled(&self, troubled: bool) {
        self.troubled.store(troubled, Ordering::Relaxed);
    }

    /// Whether there is something to [sweep](Self::sweep) before the time that the last sweep gave.
    #[must_use]
    pub fn wants_sweep(&self) -> bool {
        self.to_sweep.load(Ordering::Acquire)
    }

    pub(super) fn sweep_soon(&self) {
        self.to_sweep.store(true, Ordering::Release);
        self.wake();
    }

    /// Ends what is over its time, in the queue and at the runners, and forgets callers that gave up.
    pub fn sweep(&self, now: Instant) -> LaneSweep {
        self.to_sweep.store(false, Ordering::Release);
        let mut overdue = Vec::new();
        let mut gone = Vec::new();
        let (wait, mut next, sessions) = {
            let mut state = self.lock();
            // Whatever is placed from here on asks for a sweep of its own.
            state.next_sweep = None;
            let wait = state.limits.queue_wait;
            let mut kept = VecDeque::with_capacity(state.queue.len());
            for invocation in state.queue.drain(..) {
                if invocation.reply.cancellation().is_cancelled() {
                    gone.push(invocation);
                } else if invocation.admitted + wait <= now {
                    overdue.push(invocation);
                } else {
                    kept.push_back(invocation);
                }
            }
            state.queue = kept;
            let next = state
                .queue
                .iter()
                .map(|invocation| invocation.admitted + wait)
                .min();
            (
                wait,
                next,
                state
                    .slots
                    .iter()
                    .map(|slot| Arc::clone(&slot.session))
                    .collect::<Vec<_>>(),
            )
        };
        self.refused("they waited too long for a runner", overdue.len());
        for invocation in gone {
            // Nobody hears it; it is recorded as cancelled.
            invocation.answer(Outcome::Lost(LostReason::Dropped));
        }
        for invocation in overdue {
            invocation.answer(Outcome::TimedOut {
                phase: TimeoutPhase::Queue,
                after: wait,
            });
        }
        let mut stuck = Vec::new();
        for session in sessions {
            let Sweep {
                next: session_next,
                stuck: is_stuck,
            } = session.sweep(now);
            next = [next, session_next].into_iter().flatten().min();
            if is_stuck {
                stuck.push(session.runner());
            }
        }
        if let Some(next) = next {
            // Its caller knows.
            let _: bool = self.lock().sweep_by(next);
        }
        LaneSweep { stuck, next }
    }

    /// A runner is ready to serve `capacity` invocations at once; one for `single_use` serves a single one ever.
    pub fn add_runner(
        &self,
        session: Arc<Session>,
        start: ColdStart,
        capacity: u32,
        single_use: bool,
        now: Instant,
    ) {
        self.lock().slots.push(Slot {
            start,
            ready: now,
            session,
            capacity,
            running: 0,
            served: 0,
            accepting: true,
            single_use,
            idle_since: now,
        });
        self.room.notify_waiters();
    }

    /// A runner gets no more invocations; it keeps those it has.
    pub fn stop_accepting(&self, runner: RunnerId) {
        if let Some(slot) = self.lock().slot(runner) {
            slot.accepting = false;
        }
    }

    /// A runner is gone. Its permits come back as its invocations are answered.
    pub fn remove_runner(&self, runner: RunnerId) {
        let mut state = self.lock();
        let place = state
            .slots
            .iter()
            .position(|slot| slot.session.runner() == runner);
        let removed = place.map(|place| state.slots.remove(place));
        // The slot may hold the last reference to a session, whose permits come back to this lane when it is dropped.
        drop(state);
        drop(removed);
    }

    /// Forgets every runner: the actor that had started them is gone, and they with it.
    pub fn remove_all_runners(&self) {
        let removed = std::mem::take(&mut self.lock().slots);
        drop(removed);
    }

    /// Puts down in the ledger what has been here, in the queue or with a runner, for as long as this.
    pub(crate) fn put_down(&self, now: Instant, age: Duration) {
        let sessions: Vec<_> = {
            let mut state = self.lock();
            for invocation in &mut state.queue {
                if let Some(entry) = invocation.reply.entry() {
                    entry.put_down(now, age, Some(&invocation.input));
                }
            }
            let sessions = state.slots.iter().map(|slot| Arc::clone(&slot.session));
            sessions.collect()
        };
        for session in sessions {
            session.put_down(now, age);
        }
    }

    /// How busy each runner is.
    #[must_use]
    pub fn loads(&self) -> Vec<SlotLoad> {
        let state = self.lock();
        let load = |slot: &Slot| SlotLoad {
            runner: slot.session.runner(),
            running: slot.running,
            served: slot.served,
            idle_since: slot.idle_since,
        };
        state.slots.iter().map(load).collect()
    }

    /// Answers all that waits, because no runner can be had now. Later invocations are admitted as before.
    pub fn refuse_waiting(&self, refusal: &Refusal) {
        let waiting = std::mem::take(&mut self.lock().queue);
        self.refused(refusal.reason(), waiting.len());
        for invocation in waiting {
            invocation.answer(Outcome::Refused(refusal.clone()));
        }
    }

    /// Admits nothing any more and answers all that waits.
    pub fn close(&self, refusal: &Refusal) {
        self.lock().closed.get_or_insert_with(|| refusal.clone());
        self.refuse_waiting(refusal);
        self.room.notify_waiters();
    }

    /// Closes the lane if nothing was admitted that is not answered yet. `false` if something was.
    pub fn close_if_idle(&self, refusal: &Refusal) -> bool {
        let mut state = self.lock();
        let idle = state.waiting == 0 && state.slots.iter().all(|slot| slot.running == 0);
        if idle {
            state.closed.get_or_insert_with(|| refusal.clone());
        }
        idle
    }

    /// What the job's invocations came to.
    pub(super) fn tally(&self) -> &JobTally {
        self.book.tally()
    }

    /// How full the lane is.
    #[must_use]
    pub fn gauge(&self) -> LaneGauge {
        let state = self.lock();
        LaneGauge {
            waiting: state.waiting,
            queue_length: state.limits.queue_length,
            running: state.slots.iter().map(|slot| slot.running).sum(),
            capacity: state.capacity(),
            runners: state.slots.len(),
            refused: self.book.tally().turned_away(),
        }
    }

    /// So many permits of this place came back. Gives whether something waits for them.
    pub(super) fn release(&self, place: Place, permits: u32) -> bool {
        let mut state = self.lock();
        let mut awaited = false;
        let mut idle = false;
        match place {
            Place::Waiting => state.waiting = state.waiting.saturating_sub(permits),
            Place::Running(runner) => {
                awaited = !state.queue.is_empty();
                if let Some(slot) = state.slot(runner) {
                    slot.running = slot.running.saturating_sub(permits);
                    if slot.running == 0 {
                        slot.idle_since = Instant::now();
                        idle = self.watch_idle.load(Ordering::Acquire);
                    }
                }
            }
        }
        drop(state);
        if idle {
            self.wake();
        }
        awaited
    }

    /// A permit was dropped: whoever waits for its place is told.
    pub(super) fn dropped(&self, place: Place) {
        let awaited = self.release(place, 1);
        self.room.notify_waiters();
        if awaited {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LaneState> {
        // The state is changed in whole steps; nothing that can panic runs between them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
