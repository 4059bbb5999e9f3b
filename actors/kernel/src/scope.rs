//! Starting children and holding on to them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::channel::{AddressReceiver, channel};
use actix::{Addr, Handler, Message};

use crate::child::Child;
use crate::exit::{ChildExit, ExitReason, StopReason};
use crate::node::Node;
use crate::path::{ActorId, ActorPath};
use crate::send::{AskError, ask, tell, try_tell};
use crate::spec::{ChildSpec, Placement};
use crate::supervisor::{EndGuard, Seed, supervise};
use crate::tree::ActorState;

/// Starts children of one actor. Cheap to clone; usable on any thread.
#[derive(Clone)]
pub struct Scope(Arc<Node>);

impl Scope {
    pub(crate) fn of(node: Arc<Node>) -> Self {
        Self(node)
    }

    /// The path of the actor whose children are started.
    pub fn path(&self) -> &ActorPath {
        &self.0.path
    }

    /// Starts a child. `factory` makes its state now and after each restart, on the child's arbiter.
    ///
    /// While the parent is stopping, backing off or over it takes no children: the child that comes back is
    /// already over, and the parent is not told.
    pub fn spawn<A, F>(&self, spec: ChildSpec, factory: F) -> ChildRef<A>
    where
        A: Child,
        F: FnMut() -> A + Send + 'static,
    {
        let parent = &self.0;
        let here = matches!(spec.placement, Placement::Here) && parent.is_here();
        let arbiter = match &spec.placement {
            Placement::Here => parent.arbiter.clone(),
            Placement::Arbiter(arbiter) => arbiter.clone(),
        };
        let node = Node::child(parent, spec.name.clone(), A::KIND, arbiter);
        let (mailbox, addr) = mailbox();
        let child = ChildRef {
            addr: addr.clone(),
            node: Arc::clone(&node),
        };
        if !parent.family.adopt(&node) {
            drop(mailbox);
            node.end(ExitReason::Stopped(StopReason::PARENT_STOPPING));
            return child;
        }
        let seed = Seed {
            factory,
            mailbox,
            addr,
            spec,
            end: EndGuard(Arc::clone(&node)),
        };
        launch(here, &node, seed);
        child
    }
}

/// A mailbox without a limit of its own. actix's limit bounds nothing, as each clone of an address may exceed
/// it; it only makes `Addr::send` wait in a second queue. What bounds the messages are the permits of those
/// who send them.
fn mailbox<A: Child>() -> (AddressReceiver<A>, Addr<A>) {
    let (sender, receiver) = channel(0);
    (receiver, Addr::new(sender))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the future of an actor gets its owner"
)]
fn launch<A, F>(here: bool, node: &Arc<Node>, seed: Seed<A, F>)
where
    A: Child,
    F: FnMut() -> A + Send + 'static,
{
    if here {
        actix_rt::spawn(supervise(seed));
    } else if !node.arbiter.spawn_fn(move || {
        actix_rt::spawn(supervise(seed));
    }) {
        // The seed was dropped, and with it the actor has ended and told its parent.
        tracing::error!(actor = %node.path, "the arbiter of a new actor has ended");
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.0.path).finish()
    }
}

/// A child that was started. Cheap to clone; dropping it does nothing to the child.
pub struct ChildRef<A: Child> {
    addr: Addr<A>,
    node: Arc<Node>,
}

impl<A: Child> ChildRef<A> {
    /// Its address. It stays the same over restarts.
    pub fn addr(&self) -> &Addr<A> {
        &self.addr
    }

    /// Its number.
    pub fn id(&self) -> ActorId {
        self.node.id
    }

    /// Its path.
    pub fn path(&self) -> &ActorPath {
        &self.node.path
    }

    /// What it does at the moment.
    pub fn state(&self) -> ActorState {
        self.node.state()
    }

    /// Whether it has ended for good.
    pub fn is_over(&self) -> bool {
        self.node.is_over()
    }

    /// See [`tell`].
    pub fn tell<M>(&self, message: M)
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        tell(&self.addr, message);
    }

    /// See [`try_tell`].
    ///
    /// # Errors
    /// The message comes back when the child has ended for good.
    pub fn try_tell<M>(&self, message: M) -> Result<(), M>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        try_tell(&self.addr, message)
    }

    /// See [`ask`].
    ///
    /// # Errors
    /// Those of [`ask`].
    pub async fn ask<M>(&self, message: M, deadline: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        ask(&self.addr, message, deadline).await
    }

    /// Asks it to stop: [`Child::stop_requested`] is called, and after its grace it is killed. It is not
    /// started again. Only the first reason counts.
    pub fn stop(&self, reason: impl Into<StopReason>) {
        self.node.request_stop(&reason.into());
    }

    /// Ends it and all below it without asking: futures and states are dropped.
    pub fn kill(&self) {
        self.node.kill();
    }

    /// Resolves when it has ended for good.
    pub fn exited(&self) -> impl Future<Output = ChildExit> + Send + use<A> {
        self.node.ended()
    }
}

impl<A: Child> Clone for ChildRef<A> {
    fn clone(&self) -> Self {
        Self {
            addr: self.addr.clone(),
            node: Arc::clone(&self.node),
        }
    }
}

impl<A: Child> fmt::Debug for ChildRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildRef")
            .field("id", &self.node.id)
            .field("path", &self.node.path)
            .finish()
    }
}
