//! One life of an actor: its state, its context and its futures, from the factory until it is dropped.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use actix::dev::channel::AddressReceiver;
use actix::dev::{EnvelopeProxy, Stream};
use actix::{ActorState as Life, Running, SpawnHandle};
use serde_json::Value;

use crate::child::Child;
use crate::context::{Context, Item};
use crate::exit::{ChildExit, Failure};
use crate::panics::{drop_guarded, guarded};
use crate::path::ActorPath;
use crate::tree::ActorState;

/// How many messages, and rounds without rest, one poll handles before the arbiter's other actors have their
/// turn.
const BUDGET: usize = 128;

/// See the module.
pub(crate) struct Incarnation<A: Child> {
    path: ActorPath,
    /// `None` once it has been disposed of.
    body: Option<Body<A>>,
}

struct Body<A: Child> {
    started: bool,
    actor: A,
    context: Context<A>,
    items: Vec<(SpawnHandle, Item<A>)>,
    /// The actor does nothing else while there are any; the last one goes first.
    waits: Vec<Item<A>>,
}

impl<A: Child> Incarnation<A> {
    pub(crate) fn new(actor: A, context: Context<A>) -> Self {
        Self {
            path: context.path().clone(),
            body: Some(Body {
                started: false,
                actor,
                context,
                items: Vec::new(),
                waits: Vec::new(),
            }),
        }
    }

    /// Lets the actor do what there is to do. Ready when it wants to end, or has failed.
    pub(crate) fn poll(
        &mut self,
        mailbox: &mut AddressReceiver<A>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(()));
        };
        match guarded(&self.path, || body.poll(mailbox, cx)) {
            Ok(Poll::Pending) => {
                body.show(&self.path);
                Poll::Pending
            }
            Ok(ended) => ended,
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }

    /// Tells the actor, which is stopping, that a child has ended.
    pub(crate) fn child_exited(&mut self, exit: ChildExit) -> Result<(), Failure> {
        let Some(body) = &mut self.body else { return Ok(()) };
        guarded(&self.path, || body.actor.child_exited(exit, &mut body.context))?;
        body.context.take_failure().map_or(Ok(()), Err)
    }

    /// Tells the actor that it has stopped.
    pub(crate) fn stopped(&mut self) -> Result<(), Failure> {
        let Some(body) = &mut self.body else { return Ok(()) };
        body.context.end();
        guarded(&self.path, || body.actor.stopped(&mut body.context))
    }

    /// Drops everything, tasks and futures before the state. A panic in one `Drop` keeps no other from being
    /// dropped.
    pub(crate) fn dispose(&mut self) {
        let Some(Body {
            mut context,
            mut items,
            mut waits,
            actor,
            ..
        }) = self.body.take()
        else {
            return;
        };
        context.dismantle(&mut items, &mut waits);
        for wait in waits {
            drop_guarded(&self.path, wait);
        }
        for (_, item) in items {
            drop_guarded(&self.path, item);
        }
        drop_guarded(&self.path, actor);
        drop_guarded(&self.path, context);
    }
}

impl<A: Child> Drop for Incarnation<A> {
    fn drop(&mut self) {
        self.dispose();
    }
}

impl<A: Child> Body<A> {
    fn poll(
        &mut self,
        mailbox: &mut AddressReceiver<A>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        if !self.started {
            self.started = true;
            self.actor.started(&mut self.context);
            self.context.node.set_state(ActorState::Running, None);
        }
        let mut budget = BUDGET;
        loop {
            self.take_stop_request();
            self.context.merge_into(&mut self.items, &mut self.waits);
            if let Some(failure) = self.context.take_failure() {
                return Poll::Ready(Err(failure));
            }
            if self.wants_to_end() {
                return Poll::Ready(Ok(()));
            }
            if let Some(wait) = self.waits.last_mut() {
                if wait
                    .as_mut()
                    .poll(&mut self.actor, &mut self.context, cx)
                    .is_ready()
                {
                    self.waits.pop();
                } else if !self.context.is_interrupted() {
                    return Poll::Pending;
                }
                continue;
            }
            if let Some(exit) = self.next_exit() {
                self.actor.child_exited(exit, &mut self.context);
                continue;
            }
            self.handle_messages(mailbox, cx, &mut budget);
            self.poll_items(cx);
            if !self.context.has_news() && budget > 0 {
                return Poll::Pending;
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            budget -= 1;
        }
    }

    fn take_stop_request(&mut self) {
        if self.context.asked_to_stop {
            return;
        }
        if let Some(reason) = self.context.node.stop_reason().cloned() {
            self.context.asked_to_stop = true;
            self.context
                .node
                .set_state(ActorState::Stopping, Some(reason.to_string()));
            self.actor.stop_requested(&reason, &mut self.context);
        }
    }

    /// Whether the actor ends now. One that has called `stop` may still change its mind.
    fn wants_to_end(&mut self) -> bool {
        match self.context.life() {
            Life::Started | Life::Running => false,
            Life::Stopped => true,
            Life::Stopping => {
                let ends = self.actor.stopping(&mut self.context) == Running::Stop;
                if !ends {
                    self.context.go_on();
                }
                ends
            }
        }
    }

    fn next_exit(&self) -> Option<ChildExit> {
        if self.context.node.has_exits() {
            self.context.node.pop_exit()
        } else {
            None
        }
    }

    fn handle_messages(
        &mut self,
        mailbox: &mut AddressReceiver<A>,
        cx: &mut TaskContext<'_>,
        budget: &mut usize,
    ) {
        while *budget > 0 && !self.context.is_interrupted() {
            let Poll::Ready(Some(mut envelope)) = Pin::new(&mut *mailbox).poll_next(cx) else {
                return;
            };
            envelope.handle(&mut self.actor, &mut self.context);
            *budget -= 1;
        }
    }

    /// Polls all futures, woken or not: actix's own streams count on being polled again after a `wait`.
    fn poll_items(&mut self, cx: &mut TaskContext<'_>) {
        let mut next = 0;
        while next < self.items.len() && !self.context.is_interrupted() {
            let (handle, item) = &mut self.items[next];
            if self.context.is_cancelled(*handle) {
                next += 1;
                continue;
            }
            self.context.running = *handle;
            // The item stays where it is while it is polled: if it panics, it is dropped later and not while
            // unwinding.
            if item
                .as_mut()
                .poll(&mut self.actor, &mut self.context, cx)
                .is_ready()
            {
                self.items.swap_remove(next);
            } else {
                next += 1;
            }
        }
        self.context.running = SpawnHandle::default();
    }

    /// Shows the actor to those who look at the tree.
    fn show(&self, path: &ActorPath) {
        let node = &self.context.node;
        if self.started && node.is_observed() {
            // Being looked at must not be what crashes an actor.
            let observed = guarded(path, || self.actor.observe())
                .unwrap_or_else(|failure| Value::String(format!("observe panicked: {failure}")));
            node.observe(observed);
        }
    }
}
