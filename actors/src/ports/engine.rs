//! What starts and ends runners: Docker in the product, child processes for development.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::domain::{JobId, RunnerId};
use crate::manifest::{DockerArguments, Runtime};

/// The most that one runner may use. `None` means the operator's default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processors, in thousandths of one.
    pub milli_cpus: Option<u32>,
}

/// One runner to start.
#[derive(Clone, Debug)]
pub struct RunnerSpec {
    /// Its id, also in its container's name and labels.
    pub runner: RunnerId,
    /// The job it is for, for labels; `None` for a runner of the warm pool.
    pub job: Option<(JobId, std::sync::Arc<str>)>,
    /// Which runtime it needs.
    pub runtime: Runtime,
    /// What it may use.
    pub resources: Resources,
    /// What the package asks of Docker; the engine applies what the operator allows and ignores the rest.
    pub docker: DockerArguments,
    /// What it proves itself with when it dials the manager. Goes to its standard input and nowhere else.
    pub token: SecretString,
}

/// How a runner ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunnerExit {
    /// The process's exit code, if it exited.
    pub code: Option<i64>,
    /// The signal that ended it, if the engine knows.
    pub signal: Option<i32>,
    /// Whether the kernel ended it for its memory limit.
    pub out_of_memory: bool,
}

/// Which of a process's streams a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Not the function: Jobber's own word about the job (deploy, crash, refusal).
    System,
}

impl OutputStream {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stdout, Self::Stderr, Self::System];

    /// As it is written: `stdout`, `stderr` or `system`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::System => "system",
        }
    }

    /// The stream of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name() == name)
    }
}

/// What an engine reports by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// The runner's process is over.
    Exited {
        /// Which.
        runner: RunnerId,
        /// How.
        exit: RunnerExit,
    },
    /// The process wrote a line outside of its session (a crash of the virtual machine, say).
    Output {
        /// Which.
        runner: RunnerId,
        /// Where.
        stream: OutputStream,
        /// The line, at most 64 KiB, without its line feed.
        line: String,
    },
}

/// Why an engine could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine itself did not answer.
    #[error("the container engine does not answer: {0}")]
    Unreachable(String),
    /// The runtime's image (or program) is not there and could not be had.
    #[error("the runtime {runtime} is not available: {reason}")]
    RuntimeMissing {
        /// Which.
        runtime: String,
        /// What was tried, and what the operator can do.
        reason: String,
    },
    /// The runner was refused or ended before it could start.
    #[error("the runner could not be started: {0}")]
    Start(String),
}

/// Starts, watches and ends runners.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// `docker` or `process`.
    fn kind(&self) -> &'static str;

    /// Whether the engine could start a runner now, as far as that can be told without starting one. It is asked every second.
    ///
    /// # Errors
    /// [`EngineError`] with what is amiss.
    async fn check(&self) -> Result<(), EngineError>;

    /// Creates and starts a runner and gives it its start line (host, port, token, directory) on its standard input.
    /// Makes the runtime's image available first, if need be.
    ///
    /// # Errors
    /// [`EngineError`]; then nothing of the runner is left behind.
    async fn start(&self, spec: RunnerSpec) -> Result<(), EngineError>;

    /// Ends a runner: asks first (SIGTERM), kills after `grace`, and removes all of it. A runner that is not there
    /// is no error.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] when the engine did not answer; the reaper removes the runner later.
    async fn stop(&self, runner: RunnerId, grace: Duration) -> Result<(), EngineError>;

    /// Ends whatever runners of this instance's name are there and not in `keep`: what a dead server left behind.
    /// Returns how many.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] when the engine did not answer.
    async fn reap(&self, keep: &[RunnerId]) -> Result<usize, EngineError>;

    /// The engine's events, once: the first caller gets them. The channel is bounded; output lines are dropped (and
    /// counted) rather than delaying exits.
    fn events(&self) -> Option<mpsc::Receiver<EngineEvent>>;
}
