//! What a runner hears and tells.

use std::sync::Arc;

use actix::Message;

use crate::domain::RunnerId;
use crate::invocation::FunctionError;
use crate::ports::{ColdStart, EngineError, RunnerExit};
use crate::protocol::LoadPhase;
use crate::session::{AssignError, Session, SessionEvent, SessionOwner};

/// The RunnerManager: the runner dialled in and proved itself.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SessionOpened(pub SessionOwner);

/// The session: something happened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SessionNews(pub SessionEvent);

/// The engine: the process is over.
#[derive(Message)]
#[rtype(result = "()")]
pub struct EngineExit(pub RunnerExit);

/// End the runner.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct EndRunner {
    /// Whether to kill it without asking first.
    pub forceful: bool,
}

/// A runner's word to its action.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct RunnerReport {
    /// Who speaks.
    pub runner: RunnerId,
    /// What is new.
    pub news: RunnerNews,
}

/// What is new about a runner.
#[derive(Debug)]
pub enum RunnerNews {
    /// It imported its package and may be given invocations.
    Ready(Arc<Session>, ColdStart),
    /// Its package can not be run: the function's own error.
    Rejected(LoadPhase, FunctionError),
    /// It could not be started or reached, or ended before it was ready: Jobber's or the engine's trouble.
    Failed(String),
    /// It will end; it can take nothing more.
    Ending,
}

/// The outcome of the work that a runner's tasks do for it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum Done {
    Started(Result<(), EngineError>),
    Assigned(Result<(), AssignError>),
    Removed(Result<(), EngineError>),
}
