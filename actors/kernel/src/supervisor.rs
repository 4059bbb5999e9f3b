//! The future that runs one supervised actor: life after life, until it has ended for good.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use actix::Addr;
use actix::dev::Stream;
use actix::dev::channel::AddressReceiver;
use tokio::time::{Instant, Sleep, sleep};

use crate::child::Child;
use crate::context::Context;
use crate::exit::{ChildExit, ExitReason, Failure, StopReason};
use crate::incarnation::Incarnation;
use crate::node::Node;
use crate::panics::{drop_guarded, guarded};
use crate::restarts::{RestartLog, Verdict};
use crate::spec::{ChildSpec, RestartPolicy, StopOrder};
use crate::tree::ActorState;

/// Everything that an actor's future needs, ready to be carried to another thread.
///
/// If it is dropped on the way, because the arbiter has ended, the actor has ended.
pub(crate) struct Seed<A: Child, F> {
    pub(crate) factory: F,
    pub(crate) mailbox: AddressReceiver<A>,
    pub(crate) addr: Addr<A>,
    pub(crate) spec: ChildSpec,
    pub(crate) end: EndGuard,
}

/// Tells the actor's end exactly once, also when its future is dropped in the middle.
pub(crate) struct EndGuard(pub(crate) Arc<Node>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if !self.0.is_over() {
            self.0.kill_children();
            self.0.end(ExitReason::Killed);
        }
    }
}

/// How one life ended.
enum End {
    /// It called `stop` or `terminate`.
    Left,
    Crashed(Failure),
    Killed,
}

/// Runs the actor. When this ends the actor has ended, its mailbox is closed and its parent knows.
pub(crate) async fn supervise<A, F>(seed: Seed<A, F>)
where
    A: Child,
    F: FnMut() -> A + 'static,
{
    // The guard comes first so that it is dropped last.
    let Seed {
        end: EndGuard(node), ..
    } = &seed;
    let node = Arc::clone(node);
    let Seed {
        end,
        spec,
        factory,
        mailbox,
        addr,
    } = seed;
    node.runs_here();
    let mut actor = Supervised {
        node,
        spec,
        factory,
        mailbox,
        addr,
        restarts: RestartLog::default(),
    };
    let reason = actor.run().await;
    // Messages that were never handled are dropped before the end is told, so that nobody waits for an answer
    // then.
    let Supervised {
        node,
        mailbox,
        factory,
        addr,
        ..
    } = actor;
    close(&node, mailbox);
    drop_guarded(&node.path, factory);
    drop(addr);
    node.end(reason);
    drop(end);
}

/// Drops what is left in a mailbox, one message after the other, so that one whose `Drop` panics keeps no
/// other from being dropped; then the mailbox.
fn close<A: Child>(node: &Node, mut mailbox: AddressReceiver<A>) {
    let mut cx = TaskContext::from_waker(Waker::noop());
    while let Poll::Ready(Some(message)) = Pin::new(&mut mailbox).poll_next(&mut cx) {
        drop_guarded(&node.path, message);
    }
    drop_guarded(&node.path, mailbox);
}

struct Supervised<A: Child, F> {
    node: Arc<Node>,
    spec: ChildSpec,
    factory: F,
    mailbox: AddressReceiver<A>,
    addr: Addr<A>,
    restarts: RestartLog,
}

impl<A, F> Supervised<A, F>
where
    A: Child,
    F: FnMut() -> A,
{
    async fn run(&mut self) -> ExitReason {
        loop {
            if let Some(reason) = self.told_to_end() {
                return reason;
            }
            let born = Instant::now();
            let failure = match self.live().await {
                End::Killed => return ExitReason::Killed,
                End::Left => match self.stay_ended() {
                    Some(reason) => return reason,
                    None => Failure::new("it ended by itself"),
                },
                End::Crashed(failure) => {
                    self.node.record_failure(&failure);
                    if self.spec.policy == RestartPolicy::Temporary || self.node.stop_reason().is_some() {
                        return ExitReason::Crashed(failure);
                    }
                    failure
                }
            };
            if let Err(reason) = self.back_off(born, failure).await {
                return reason;
            }
        }
    }

    /// The reason for ending while there is no life to ask.
    fn told_to_end(&self) -> Option<ExitReason> {
        if self.node.is_killed() {
            return Some(ExitReason::Killed);
        }
        self.node.stop_reason().cloned().map(ExitReason::Stopped)
    }

    /// Why an actor that stopped is not started again; `None` if it is.
    fn stay_ended(&self) -> Option<ExitReason> {
        match self.node.stop_reason() {
            Some(reason) => Some(ExitReason::Stopped(reason.clone())),
            None if self.spec.policy == RestartPolicy::Permanent => None,
            None => Some(ExitReason::Normal),
        }
    }

    /// Waits until the actor may be started again. Fails when it may not, or was told to end meanwhile.
    async fn back_off(&mut self, born: Instant, failure: Failure) -> Result<(), ExitReason> {
        let now = Instant::now();
        let seed = self.node.shared.seed ^ self.node.id.0;
        let (intensity, backoff) = (self.spec.intensity, self.spec.backoff);
        let wait = match self
            .restarts
            .judge(now, now.duration_since(born), intensity, backoff, seed)
        {
            Verdict::RestartAfter(wait) => wait,
            Verdict::GiveUp => {
                return Err(ExitReason::GaveUp {
                    restarts: self.restarts.total(),
                    last: failure,
                });
            }
        };
        tracing::warn!(
            actor = %self.node.path,
            %failure,
            restarts = self.restarts.total(),
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "an actor is restarted"
        );
        self.node.set_state(ActorState::BackingOff, Some(failure.message));
        self.node.release_observers();
        if !wait.is_zero() {
            let mut timer = Box::pin(sleep(wait));
            poll_fn(|cx| {
                self.node.listen(cx.waker());
                if self.told_to_end().is_some() {
                    Poll::Ready(())
                } else {
                    timer.as_mut().poll(cx)
                }
            })
            .await;
        }
        match self.told_to_end() {
            Some(reason) => Err(reason),
            None => {
                self.node.record_restarts(self.restarts.total());
                Ok(())
            }
        }
    }

    /// One life, from the factory until its children have ended and its state is dropped.
    async fn live(&mut self) -> End {
        self.node.set_state(ActorState::Starting, None);
        let actor = match guarded(&self.node.path, || (self.factory)()) {
            Ok(actor) => actor,
            Err(failure) => return End::Crashed(failure),
        };
        self.node.family.open();
        let mut life = Incarnation::new(actor, Context::new(Arc::clone(&self.node), self.addr.clone()));
        let mut end = self.run_until_end(&mut life).await;
        self.node.family.close();
        if matches!(end, End::Left) {
            let why = self.node.stop_reason().map(ToString::to_string);
            self.node.set_state(ActorState::Stopping, why);
            if let Err(failure) = self.leave(&mut life).await {
                end = End::Crashed(failure);
            }
        }
        // A state that failed is dropped before its children stop: what it holds, others may be waiting for.
        life.dispose();
        while self
            .child_end(StopOrder::Together, &StopReason::PARENT_CRASHED)
            .await
            .is_some()
        {}
        if self.node.is_killed() { End::Killed } else { end }
    }

    /// Polls the actor until it ends, is killed, or its grace runs out.
    async fn run_until_end(&mut self, life: &mut Incarnation<A>) -> End {
        let mut grace: Option<Pin<Box<Sleep>>> = None;
        let Self {
            node, mailbox, spec, ..
        } = self;
        poll_fn(|cx| {
            node.listen(cx.waker());
            if node.is_killed() {
                return Poll::Ready(End::Killed);
            }
            match life.poll(mailbox, cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(End::Left),
                Poll::Ready(Err(failure)) => return Poll::Ready(End::Crashed(failure)),
                Poll::Pending => {}
            }
            if node.stop_reason().is_none() {
                return Poll::Pending;
            }
            let grace = grace.get_or_insert_with(|| Box::pin(sleep(spec.stop_grace)));
            grace.as_mut().poll(cx).map(|()| {
                tracing::warn!(actor = %node.path, grace = ?spec.stop_grace, "an actor did not stop in time");
                End::Killed
            })
        })
        .await
    }

    /// Stops the children of an actor that stops well, and tells it about each of them, then that it has
    /// stopped.
    async fn leave(&mut self, life: &mut Incarnation<A>) -> Result<(), Failure> {
        while let Some(exit) = self
            .child_end(A::STOP_CHILDREN, &StopReason::PARENT_STOPPING)
            .await
        {
            life.child_exited(exit)?;
        }
        if self.node.is_killed() {
            Ok(())
        } else {
            life.stopped()
        }
    }

    /// Asks the next child (or all) to stop and waits for the next end of one. `None` when there are no more.
    async fn child_end(&self, order: StopOrder, reason: &StopReason) -> Option<ChildExit> {
        self.node.request_children_stop(order, reason);
        poll_fn(|cx| {
            self.node.listen(cx.waker());
            if self.node.is_killed() {
                self.node.kill_children();
            }
            if self.node.is_observed() {
                self.node.release_observers();
            }
            match self.node.pop_exit() {
                Some(exit) => Poll::Ready(Some(exit)),
                None if self.node.family.is_empty() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }
}
