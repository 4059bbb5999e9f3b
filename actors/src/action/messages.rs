//! What an action hears and tells.

use actix::Message;
use jobber_kernel::ActorId;

use crate::domain::RunnerId;
use crate::invocation::FunctionError;

/// The lane: there may be something to do.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub(super) struct Wake;

/// The job: the action's intent changed.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub(super) struct Reconsider;

/// A person wants this runner gone.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "bool")]
pub struct StopRunner {
    /// Which.
    pub runner: RunnerId,
    /// Whether what it works on may be lost.
    pub forceful: bool,
}

/// An action's word to its job.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct ActionReport {
    /// Which action: a version that is wanted again while it retires has two.
    pub action: ActorId,
    /// What is new.
    pub news: ActionNews,
}

/// What is new about an action.
#[derive(Clone, Debug)]
pub enum ActionNews {
    /// A runner imported the package and serves.
    Ready,
    /// The package can not be imported.
    LoadFailed(FunctionError),
    /// A runner could not be started.
    StartFailed(String),
}
