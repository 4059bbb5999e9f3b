//! The tree: where supervision begins, and what it shows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::child::Child;
use crate::exit::{Failure, StopReason};
use crate::node::{Node, Shared};
use crate::path::{ActorId, ActorPath};
use crate::scope::{ChildRef, Scope};
use crate::spec::{ChildSpec, StopOrder};

/// What an actor does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorState {
    /// Its state is made, or `started` runs.
    Starting,
    /// It handles messages.
    Running,
    /// It failed and waits for its restart; messages wait with it.
    BackingOff,
    /// It was asked to stop, or waits for its children to stop.
    Stopping,
    /// It has ended for good.
    Stopped,
}

/// What is known about one actor and all below it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeNode {
    /// Its number.
    pub id: ActorId,
    /// Its path.
    pub path: ActorPath,
    /// The last part of the path, as it was given.
    pub name: String,
    /// Its [`Child::KIND`].
    pub kind: &'static str,
    /// What it does.
    pub state: ActorState,
    /// Why it backs off, stops or has stopped.
    pub reason: Option<String>,
    /// Since when it does so, in milliseconds since the Unix epoch.
    pub since_unix_ms: u64,
    /// How often it was restarted.
    pub restarts: u32,
    /// Its last crash.
    pub last_failure: Option<Failure>,
    /// What [`Child::observe`] said last.
    pub observed: Value,
    /// When it said so, in milliseconds since the Unix epoch. An actor that hangs shows an old one.
    pub observed_unix_ms: Option<u64>,
    /// Whether it has shown itself when it was last asked to. `false` is an actor that hangs, or one that was
    /// asked just now.
    pub responsive: bool,
    /// Its children in the order in which they were started; after them the last few that did not end well.
    pub children: Vec<TreeNode>,
}

impl TreeNode {
    fn of(node: &Node) -> Self {
        let living = node.family.children();
        let mut shown = Self::alone(node);
        shown.children = living
            .iter()
            .map(|child| Self::of(child))
            .chain(node.family.remembered())
            .collect();
        shown
    }

    /// Without those below it.
    pub(crate) fn alone(node: &Node) -> Self {
        let status = node.status();
        Self {
            id: node.id,
            path: node.path.clone(),
            name: node.name.clone(),
            kind: node.kind,
            state: status.state,
            reason: status.reason,
            since_unix_ms: status.since_unix_ms,
            restarts: status.restarts,
            last_failure: status.last_failure,
            observed: status.observed,
            observed_unix_ms: status.observed_unix_ms,
            responsive: !node.is_observed(),
            children: Vec::new(),
        }
    }

    /// The actor at `path`, if there is one at or below this one.
    pub fn find(&self, path: &str) -> Option<&Self> {
        if self.path.as_str() == path {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(path))
    }
}

/// A tree of supervised actors. Cheap to clone; usable on any thread.
///
/// Its root is no actor: it starts actors, stops them and shows them, and takes no notice of their ends. A
/// program has one actor below it that is the parent of everything else.
#[derive(Clone)]
pub struct Tree(Arc<Node>);

impl Tree {
    /// A tree whose actors run, if nothing else is said, on the calling arbiter.
    ///
    /// # Panics
    /// If the caller does not run on an arbiter.
    pub fn new() -> Self {
        Self::with_seed(rand::random())
    }

    /// A tree whose jitter is determined by `seed`.
    ///
    /// # Panics
    /// If the caller does not run on an arbiter.
    pub fn with_seed(seed: u64) -> Self {
        Self(Node::root(Shared::new(seed), Arbiter::current()))
    }

    /// How often actors of each kind have failed since the tree began, whatever became of them. Kinds of which none has are left out.
    pub fn failures(&self) -> BTreeMap<&'static str, u64> {
        self.0.shared.failures()
    }

    /// What starts actors at the top of the tree.
    pub fn scope(&self) -> Scope {
        Scope::of(Arc::clone(&self.0))
    }

    /// Starts an actor at the top of the tree.
    pub fn spawn<A, F>(&self, spec: ChildSpec, factory: F) -> ChildRef<A>
    where
        A: Child,
        F: FnMut() -> A + Send + 'static,
    {
        self.scope().spawn(spec, factory)
    }

    /// Asks all actors to show themselves and returns what is known, after 100 ms at most. An actor that
    /// hangs is shown as it was when it was last seen.
    pub async fn snapshot(&self) -> TreeNode {
        self.snapshot_within(Duration::from_millis(100)).await
    }

    /// As [`snapshot`](Self::snapshot), with another bound for waiting.
    pub async fn snapshot_within(&self, bound: Duration) -> TreeNode {
        let mut asked = Vec::new();
        ask_below(&self.0, &mut asked);
        // Those who have not shown themselves in time are shown with what they last said.
        let _ = timeout(bound, join_all(asked)).await;
        self.peek()
    }

    /// What is known without asking.
    pub fn peek(&self) -> TreeNode {
        TreeNode::of(&self.0)
    }

    /// Stops all actors, the youngest first, and returns when all have ended. No actor can be started
    /// afterwards.
    pub async fn shutdown(&self, reason: impl Into<StopReason>) {
        let reason = reason.into();
        self.0.family.close();
        while let Some(child) = self.0.family.children().pop() {
            self.0.request_children_stop(StopOrder::Reverse, &reason);
            child.ended().await;
        }
    }

    /// As [`shutdown`](Self::shutdown), and kills whatever is left after `deadline`. Whether all have stopped
    /// in time.
    pub async fn shutdown_within(&self, reason: impl Into<StopReason>, deadline: Duration) -> bool {
        let reason = reason.into();
        let in_time = timeout(deadline, self.shutdown(reason.clone())).await.is_ok();
        if !in_time {
            self.kill();
            self.shutdown(reason).await;
        }
        in_time
    }

    /// Ends all actors without asking them. Their ends are told as usual.
    pub fn kill(&self) {
        self.0.kill_children();
    }
}

fn ask_below(node: &Node, asked: &mut Vec<tokio::sync::oneshot::Receiver<()>>) {
    asked.extend(node.ask_observation());
    for child in node.family.children() {
        ask_below(&child, asked);
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("children", &self.0.family.children().len())
            .finish()
    }
}
