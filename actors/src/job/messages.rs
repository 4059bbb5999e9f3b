//! What a job hears.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use crate::action::{ActionHandle, StopRunner};
use crate::domain::{JobVersion, VersionId};
use crate::invocation::FunctionError;

/// The job's brief changed. `served` is answered once what it says serves.
#[derive(Message, Debug, Default)]
#[rtype(result = "()")]
pub struct JobChanged {
    /// Who waits for it.
    pub served: Option<oneshot::Sender<()>>,
}

/// Make a version ready without letting it serve: one runner imports it.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct PrepareVersion {
    /// The version.
    pub version: Arc<JobVersion>,
    /// Who waits for it, and gets what takes its invocations.
    pub ready: oneshot::Sender<Result<ActionHandle, PrepareError>>,
}

/// A version that was made ready will not serve after all.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Abandon(pub VersionId);

/// A person wants one of the job's runners gone.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct StopJobRunner {
    /// Whose.
    pub version: VersionId,
    /// Which, and how.
    pub stop: StopRunner,
}

/// Why a version could not be made ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// The function's own error.
    #[error("the function could not be loaded: {}", .0.message)]
    LoadFailed(FunctionError),
    /// A runner could not be started.
    #[error("no runner could be started: {0}")]
    Engine(String),
    /// Nothing was heard in time.
    #[error("the version was not ready in time")]
    TimedOut,
    /// The supervision tree or the catalogue could not do it now.
    #[error("{0}")]
    Unavailable(String),
}
