//! The record of one actor: what is known about it and what it is told from outside, on any thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread::ThreadId;

use actix::ArbiterHandle;
use futures_util::task::AtomicWaker;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::exit::{ChildExit, ExitReason, Failure, StopReason, unix_ms};
use crate::family::Family;
use crate::path::{ActorId, ActorPath};
use crate::spec::StopOrder;
use crate::tree::ActorState;

/// Somebody asked it to stop.
const STOP: u8 = 1;
/// It must end without being asked.
const KILL: u8 = 2;
/// Exits of children wait to be told.
const EXITS: u8 = 4;
/// Somebody looks at the tree.
const PROBE: u8 = 8;
/// The actor said that it failed, or one of its tasks did.
const FAILED: u8 = 16;

/// Locks without regard to poisoning: no code that could panic runs under any of the kernel's locks.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all actors of a tree share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) seed: u64,
    next_id: AtomicU64,
    /// How often actors have failed, by their kinds.
    failures: Mutex<BTreeMap<&'static str, u64>>,
}

impl Shared {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            next_id: AtomicU64::new(1),
            failures: Mutex::default(),
        }
    }

    /// How often actors have failed, by their kinds. Kinds of which none has are left out.
    pub(crate) fn failures(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.failures).clone()
    }
}

/// See the module.
pub(crate) struct Node {
    pub(crate) id: ActorId,
    pub(crate) name: String,
    pub(crate) path: ActorPath,
    pub(crate) kind: &'static str,
    pub(crate) shared: Arc<Shared>,
    pub(crate) arbiter: ArbiterHandle,
    /// The arbiter's thread, known once the actor has run on it.
    thread: OnceLock<ThreadId>,
    /// `None` for the root of the tree, which is no actor.
    parent: Option<Arc<Node>>,
    signals: AtomicU8,
    /// Wakes the future that runs the actor.
    waker: AtomicWaker,
    stop: OnceLock<StopReason>,
    pub(crate) family: Family,
    status: Mutex<Status>,
    observers: Mutex<Vec<oneshot::Sender<()>>>,
    ended: watch::Sender<Option<ChildExit>>,
    over: AtomicBool,
}

/// What the tree page shows of one actor.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) state: ActorState,
    pub(crate) reason: Option<String>,
    pub(crate) since_unix_ms: u64,
    pub(crate) restarts: u32,
    pub(crate) last_failure: Option<Failure>,
    pub(crate) observed: Value,
    pub(crate) observed_unix_ms: Option<u64>,
}

impl Node {
    /// The root of a tree. Its children are those of nobody.
    pub(crate) fn root(shared: Shared, arbiter: ArbiterHandle) -> Arc<Self> {
        let node = Self::new(
            Arc::new(shared),
            None,
            String::new(),
            ActorPath::root(),
            "tree",
            arbiter,
        );
        node.family.open();
        node.runs_here();
        node.set_state(ActorState::Running, None);
        node
    }

    /// The record of a child that is not yet one of the parent's.
    pub(crate) fn child(
        parent: &Arc<Self>,
        name: String,
        kind: &'static str,
        arbiter: ArbiterHandle,
    ) -> Arc<Self> {
        let path = parent.path.join(&name);
        Self::new(
            Arc::clone(&parent.shared),
            Some(Arc::clone(parent)),
            name,
            path,
            kind,
            arbiter,
        )
    }

    fn new(
        shared: Arc<Shared>,
        parent: Option<Arc<Self>>,
        name: String,
        path: ActorPath,
        kind: &'static str,
        arbiter: ArbiterHandle,
    ) -> Arc<Self> {
        let id = ActorId(shared.next_id.fetch_add(1, Ordering::Relaxed));
        Arc::new(Self {
            id,
            name,
            path,
            kind,
            shared,
            arbiter,
            thread: OnceLock::new(),
            parent,
            signals: AtomicU8::new(0),
            waker: AtomicWaker::new(),
            stop: OnceLock::new(),
            family: Family::default(),
            status: Mutex::new(Status {
                state: ActorState::Starting,
                reason: None,
                since_unix_ms: unix_ms(),
                restarts: 0,
                last_failure: None,
                observed: Value::Null,
                observed_unix_ms: None,
            }),
            observers: Mutex::new(Vec::new()),
            ended: watch::Sender::new(None),
            over: AtomicBool::new(false),
        })
    }

    /// Notes that the calling thread is the one that runs the actor.
    pub(crate) fn runs_here(&self) {
        // Only its own future calls this; a second call could only say the same.
        let _ = self.thread.set(std::thread::current().id());
    }

    /// Whether the calling thread runs the actor.
    pub(crate) fn is_here(&self) -> bool {
        self.thread.get() == Some(&std::thread::current().id())
    }

    fn raise(&self, signal: u8) {
        self.signals.fetch_or(signal, Ordering::AcqRel);
        self.waker.wake();
    }

    fn raised(&self, signal: u8) -> bool {
        self.signals.load(Ordering::Acquire) & signal != 0
    }

    fn lower(&self, signal: u8) {
        self.signals.fetch_and(!signal, Ordering::AcqRel);
    }

    /// Has `waker` woken by everything that is told to this actor from now on.
    pub(crate) fn listen(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Asks the actor to stop. Only the first reason counts.
    pub(crate) fn request_stop(&self, reason: &StopReason) {
        // Losing the race to another reason is what "the first counts" means.
        let _ = self.stop.set(reason.clone());
        self.raise(STOP);
    }

    pub(crate) fn stop_reason(&self) -> Option<&StopReason> {
        if self.raised(STOP) { self.stop.get() } else { None }
    }

    pub(crate) fn kill(&self) {
        self.raise(KILL);
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.raised(KILL)
    }

    pub(crate) fn tell_failed(&self) {
        self.raise(FAILED);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.raised(FAILED)
    }

    pub(crate) fn take_failed(&self) -> bool {
        let raised = self.raised(FAILED);
        if raised {
            self.lower(FAILED);
        }
        raised
    }

    pub(crate) fn has_exits(&self) -> bool {
        self.raised(EXITS)
    }

    pub(crate) fn pop_exit(&self) -> Option<ChildExit> {
        // Lowered before looking: an end that comes in between raises it again.
        self.lower(EXITS);
        let (exit, more) = self.family.pop_exit();
        if more {
            self.signals.fetch_or(EXITS, Ordering::AcqRel);
        }
        exit
    }

    /// Asks the next child, or all of them, to stop.
    pub(crate) fn request_children_stop(&self, order: StopOrder, reason: &StopReason) {
        let children = self.family.children();
        let next = match order {
            StopOrder::Reverse => children.len().saturating_sub(1),
            StopOrder::Together => 0,
        };
        for child in &children[next..] {
            child.request_stop(reason);
        }
    }

    pub(crate) fn kill_children(&self) {
        for child in self.family.children() {
            child.kill();
        }
    }

    pub(crate) fn status(&self) -> Status {
        locked(&self.status).clone()
    }

    pub(crate) fn state(&self) -> ActorState {
        locked(&self.status).state
    }

    pub(crate) fn set_state(&self, state: ActorState, reason: Option<String>) {
        let mut status = locked(&self.status);
        if status.state != state || status.reason != reason {
            status.state = state;
            status.reason = reason;
            status.since_unix_ms = unix_ms();
        }
    }

    pub(crate) fn record_restarts(&self, restarts: u32) {
        locked(&self.status).restarts = restarts;
    }

    pub(crate) fn record_failure(&self, failure: &Failure) {
        *locked(&self.shared.failures).entry(self.kind).or_default() += 1;
        locked(&self.status).last_failure = Some(failure.clone());
    }

    /// Asks the actor to show itself; the receiver ends when it has, or when it cannot any more.
    pub(crate) fn ask_observation(&self) -> Option<oneshot::Receiver<()>> {
        if self.parent.is_none() || !matches!(self.state(), ActorState::Running | ActorState::Stopping) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let mut observers = locked(&self.observers);
        // An actor that hangs does not collect those who gave up waiting for it.
        observers.retain(|observer| !observer.is_closed());
        observers.push(sender);
        drop(observers);
        self.raise(PROBE);
        Some(receiver)
    }

    pub(crate) fn is_observed(&self) -> bool {
        self.raised(PROBE)
    }

    pub(crate) fn observe(&self, observed: Value) {
        {
            let mut status = locked(&self.status);
            status.observed = observed;
            status.observed_unix_ms = Some(unix_ms());
        }
        self.release_observers();
    }

    /// Lets those who look go on with what was seen last.
    pub(crate) fn release_observers(&self) {
        self.lower(PROBE);
        for observer in locked(&self.observers).drain(..) {
            // An observer that has gone no longer wants to know.
            let _ = observer.send(());
        }
    }

    /// Ends the actor for good and tells the parent. What an actor does after its end is ignored.
    pub(crate) fn end(&self, reason: ExitReason) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        self.family.close();
        self.release_observers();
        self.set_state(ActorState::Stopped, Some(reason.to_string()));
        let exit = ChildExit {
            id: self.id,
            path: self.path.clone(),
            name: self.name.clone(),
            kind: self.kind,
            restarts: self.status().restarts,
            reason,
        };
        log_end(&exit);
        if let Some(parent) = &self.parent {
            // The root of the tree is nobody who could be told.
            parent.family.bury(self.id, &exit, parent.parent.is_some());
            parent.raise(EXITS);
        }
        self.ended.send_replace(Some(exit));
    }

    /// Resolves when the actor has ended for good.
    pub(crate) fn ended(&self) -> impl Future<Output = ChildExit> + Send + use<> {
        let mut ended = self.ended.subscribe();
        let fallback = self.unknown_end();
        async move {
            match ended.wait_for(Option::is_some).await {
                Ok(exit) => exit.clone().unwrap_or(fallback),
                // The record itself has gone, and its future with it.
                Err(_) => fallback,
            }
        }
    }

    fn unknown_end(&self) -> ChildExit {
        ChildExit {
            id: self.id,
            path: self.path.clone(),
            name: self.name.clone(),
            kind: self.kind,
            reason: ExitReason::Killed,
            restarts: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

fn log_end(exit: &ChildExit) {
    match &exit.reason {
        ExitReason::Normal | ExitReason::Stopped(_) => {
            tracing::debug!(actor = %exit.path, reason = %exit.reason, "an actor ended");
        }
        ExitReason::Crashed(_) | ExitReason::Killed => {
            tracing::warn!(actor = %exit.path, reason = %exit.reason, "an actor ended");
        }
        ExitReason::GaveUp { .. } => {
            tracing::error!(actor = %exit.path, reason = %exit.reason, "an actor is not restarted any more");
        }
    }
}

#[cfg(test)]
mod tests;
