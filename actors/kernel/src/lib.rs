//! Supervision on top of actix.
//!
//! actix gives addresses, messages, handlers and futures that run inside of an actor. It does not give
//! supervision: an actor that panics takes its mailbox with it, and `actix::Supervisor` restarts only what
//! stopped itself, at once, without limit and with the same half-changed state. This crate keeps all of
//! actix's interface and replaces what is below it: the [`Context`] of an actor and the future that runs it.
//!
//! A supervised actor is a plain actix actor whose context is [`Context`] and which implements [`Child`]:
//!
//! ```
//! use std::time::Duration;
//! use actix::{Actor, Handler, Message};
//! use jobber_kernel::{Child, ChildSpec, Context, Tree};
//!
//! struct Counter { count: u64 }
//!
//! impl Actor for Counter { type Context = Context<Self>; }
//! impl Child for Counter {
//!     const KIND: &'static str = "counter";
//!     fn observe(&self) -> serde_json::Value { serde_json::json!({ "count": self.count }) }
//! }
//!
//! #[derive(Message)]
//! #[rtype(result = "u64")]
//! struct Add(u64);
//!
//! impl Handler<Add> for Counter {
//!     type Result = u64;
//!     fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 { self.count += n; self.count }
//! }
//!
//! actix::System::new().block_on(async {
//!     let tree = Tree::new();
//!     let counter = tree.spawn(ChildSpec::permanent("counter"), || Counter { count: 0 });
//!     assert_eq!(counter.ask(Add(2), Duration::from_secs(1)).await, Ok(2));
//!     tree.shutdown("the example is over").await;
//! });
//! ```
//!
//! Children of an actor are started with [`Context::spawn_child`]. What holds, claim by claim with the test
//! that shows it, is in `docs/runtime-semantics.md`.
#![forbid(unsafe_code)]

mod arbiters;
mod child;
mod context;
mod exit;
mod family;
mod incarnation;
mod node;
mod panics;
mod path;
mod restarts;
mod scope;
mod send;
mod spec;
mod supervisor;
mod tasks;
mod tree;

#[cfg(feature = "testing")]
pub mod testing;

pub use arbiters::ArbiterPool;
pub use child::Child;
pub use context::Context;
pub use exit::{ChildExit, ExitReason, Failure, StopReason};
pub use panics::install_panic_hook;
pub use path::{ActorId, ActorPath};
pub use scope::{ChildRef, Scope};
pub use send::{AskError, Target, ask, tell, try_tell};
pub use spec::{Backoff, ChildSpec, Intensity, Placement, RestartPolicy, StopOrder};
pub use tasks::{TaskPanic, Tasks, spawn_blocking};
pub use tree::{ActorState, Tree, TreeNode};
