//! What a supervised actor says about itself.

use actix::{Actor, ActorContext};

use crate::context::Context;
use crate::exit::{ChildExit, ExitReason, StopReason};
use crate::spec::StopOrder;

/// An actor that the kernel supervises.
///
/// Its state is made by the factory it was spawned with, once per life and once per restart, on its own
/// arbiter. What must survive a crash lives outside of it, in an `Arc` that the factory hands over.
///
/// [`Actor::started`], [`Actor::stopping`] and [`Actor::stopped`] mean what they mean in actix: `stopping`
/// may still refuse with `Running::Continue`; after it the children are stopped, then `stopped` is called. An
/// actor that is killed, or that crashes, is dropped without them. A supervised actor does not end when its
/// last address is dropped: it belongs to its parent.
pub trait Child: Actor<Context = Context<Self>> {
    /// A short word for what it is: `"action"`, `"runner"`.
    const KIND: &'static str;

    /// In which order its children are stopped.
    const STOP_CHILDREN: StopOrder = StopOrder::Reverse;

    /// A child has ended for good. Told once for each child, however full the mailbox is, as long as the
    /// state that started the child lives; also while this actor waits for its children to stop.
    ///
    /// By default the failure of a child that gave up is this actor's own failure, as in Erlang. What must
    /// survive its children (one job must not take the server with it) says here what to do instead.
    fn child_exited(&mut self, exit: ChildExit, ctx: &mut Context<Self>) {
        if let ExitReason::GaveUp { .. } = exit.reason {
            ctx.fail(format_args!("{} {}", exit.path, exit.reason));
        }
    }

    /// Somebody wants this actor to end. By default it stops at once; one that has work to finish calls
    /// `ctx.stop()` when it has, within its grace. Called at most once, and also while the actor waits for a
    /// future (`ctx.wait`).
    fn stop_requested(&mut self, reason: &StopReason, ctx: &mut Context<Self>) {
        let _ = reason;
        ctx.stop();
    }

    /// What the tree page shows about this actor. Called when somebody looks; should be cheap, small and free
    /// of secrets.
    fn observe(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}
