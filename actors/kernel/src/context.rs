//! The context of a supervised actor.

use std::fmt::Display;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use actix::dev::{Envelope, ToEnvelope};
use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, ActorState, Addr, AsyncContext, Handler, Message, SpawnHandle};
use tokio::sync::oneshot;

use crate::child::Child;
use crate::exit::{Failure, StopReason};
use crate::node::{Node, locked};
use crate::path::{ActorId, ActorPath};
use crate::scope::{ChildRef, Scope};
use crate::spec::ChildSpec;
use crate::tasks::Tasks;

/// A future that runs inside of an actor.
pub(crate) type Item<A> = Pin<Box<dyn ActorFuture<A, Output = ()>>>;

/// The execution context of a supervised actor: actix's, and beside it what supervision adds.
///
/// One context serves one life: after a restart there is a new one, without the futures, timers, tasks and
/// children of the old one, and with the same address.
///
/// As in actix, all futures given to `spawn` are polled at every wake of the actor. A handful of timers is
/// fine; work in flight, one future for each request, belongs into [`tasks`](Self::tasks).
pub struct Context<A: Actor<Context = Self>> {
    pub(crate) node: Arc<Node>,
    addr: Addr<A>,
    tasks: Tasks,
    link: FailureLink,
    life: ActorState,
    pub(crate) asked_to_stop: bool,
    pub(crate) running: SpawnHandle,
    last_handle: SpawnHandle,
    new_items: Vec<(SpawnHandle, Item<A>)>,
    new_waits: Vec<Item<A>>,
    cancelled: Vec<SpawnHandle>,
}

/// Where the first failure of one life is put, by the actor itself or by one of its tasks.
pub(crate) type FailureLink = Arc<Mutex<Option<Failure>>>;

impl<A: Child> Context<A> {
    pub(crate) fn new(node: Arc<Node>, addr: Addr<A>) -> Self {
        let link = FailureLink::default();
        let tasks = {
            let (node, link) = (Arc::clone(&node), Arc::clone(&link));
            Tasks::of(node.path.clone()).on_panic(move |panic| {
                let failure = panic.failure.clone();
                locked(&link).get_or_insert(failure);
                node.tell_failed();
            })
        };
        Self {
            node,
            addr,
            tasks,
            link,
            life: ActorState::Running,
            asked_to_stop: false,
            running: SpawnHandle::default(),
            last_handle: SpawnHandle::default(),
            new_items: Vec::new(),
            new_waits: Vec::new(),
            cancelled: Vec::new(),
        }
    }

    /// This actor's number.
    pub fn id(&self) -> ActorId {
        self.node.id
    }

    /// This actor's path.
    pub fn path(&self) -> &ActorPath {
        &self.node.path
    }

    /// How often this actor has been restarted.
    pub fn restarts(&self) -> u32 {
        self.node.status().restarts
    }

    /// Why this actor was asked to stop, if it was.
    pub fn stop_reason(&self) -> Option<&StopReason> {
        self.node.stop_reason()
    }

    /// What starts children of this actor, for code that has no context at hand.
    pub fn scope(&self) -> Scope {
        Scope::of(Arc::clone(&self.node))
    }

    /// Starts a child. `factory` makes its state now and after each restart, on the child's arbiter.
    ///
    /// While this actor stops it has no more children: the child that comes back is already over.
    pub fn spawn_child<B, F>(&self, spec: ChildSpec, factory: F) -> ChildRef<B>
    where
        B: Child,
        F: FnMut() -> B + Send + 'static,
    {
        self.scope().spawn(spec, factory)
    }

    /// The tasks of this life of the actor. They are aborted when it ends; if one panics, the actor fails
    /// with it.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The handle of the future that runs now, inside of one; the default handle elsewhere.
    pub fn handle(&self) -> SpawnHandle {
        self.running
    }

    /// Fails, as a panic does, after the present handler has returned: the state is thrown away and the
    /// policy decides.
    pub fn fail(&mut self, message: impl Display) {
        locked(&self.link).get_or_insert_with(|| Failure::new(message));
        self.node.tell_failed();
    }

    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        if self.node.take_failed() {
            locked(&self.link).take()
        } else {
            None
        }
    }

    /// Whether an event has changed what may be polled next.
    pub(crate) fn is_interrupted(&self) -> bool {
        !self.new_waits.is_empty() || self.life != ActorState::Running || self.node.has_failed()
    }

    /// Whether there is something to do at once.
    pub(crate) fn has_news(&self) -> bool {
        self.is_interrupted() || !self.new_items.is_empty() || !self.cancelled.is_empty()
    }

    pub(crate) fn is_cancelled(&self, handle: SpawnHandle) -> bool {
        self.cancelled.contains(&handle)
    }

    /// Hands over what the actor has spawned, and cancels what it wants cancelled.
    pub(crate) fn merge_into(&mut self, items: &mut Vec<(SpawnHandle, Item<A>)>, waits: &mut Vec<Item<A>>) {
        items.append(&mut self.new_items);
        waits.append(&mut self.new_waits);
        if !self.cancelled.is_empty() {
            let cancelled = mem::take(&mut self.cancelled);
            items.retain(|(handle, _)| !cancelled.contains(handle));
        }
    }

    /// Takes back everything that the actor has spawned and not yet got, so that it can be dropped one by
    /// one, and ends the tasks of this life.
    pub(crate) fn dismantle(&mut self, items: &mut Vec<(SpawnHandle, Item<A>)>, waits: &mut Vec<Item<A>>) {
        self.tasks.abort();
        items.append(&mut self.new_items);
        waits.append(&mut self.new_waits);
    }

    /// The answer to `Running::Continue`.
    pub(crate) fn go_on(&mut self) {
        self.life = ActorState::Running;
    }

    pub(crate) fn end(&mut self) {
        self.life = ActorState::Stopped;
    }

    pub(crate) fn life(&self) -> ActorState {
        self.life
    }
}

impl<A: Actor<Context = Self>> ActorContext for Context<A> {
    fn stop(&mut self) {
        if self.life == ActorState::Running {
            self.life = ActorState::Stopping;
        }
    }

    fn terminate(&mut self) {
        self.life = ActorState::Stopped;
    }

    fn state(&self) -> ActorState {
        self.life
    }
}

impl<A: Actor<Context = Self>> AsyncContext<A> for Context<A> {
    fn address(&self) -> Addr<A> {
        self.addr.clone()
    }

    fn spawn<F>(&mut self, future: F) -> SpawnHandle
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.last_handle = self.last_handle.next();
        self.new_items.push((self.last_handle, Box::pin(future)));
        self.last_handle
    }

    fn wait<F>(&mut self, future: F)
    where
        F: ActorFuture<A, Output = ()> + 'static,
    {
        self.new_waits.push(Box::pin(future));
    }

    fn waiting(&self) -> bool {
        !self.new_waits.is_empty() || self.life != ActorState::Running
    }

    fn cancel_future(&mut self, handle: SpawnHandle) -> bool {
        self.cancelled.push(handle);
        true
    }
}

impl<A, M> ToEnvelope<A, M> for Context<A>
where
    A: Actor<Context = Self> + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn pack(message: M, reply: Option<oneshot::Sender<M::Result>>) -> Envelope<A> {
        Envelope::new(message, reply)
    }
}
