//! How an invocation can end. The gateway maps each to one status and one stable code.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::OutputBody;
use crate::ports::RunnerExit;

/// The end of an invocation, or for a streamed answer the beginning of its end.
#[derive(Debug)]
pub enum Outcome {
    /// The handler answered.
    Responded {
        /// Status and headers.
        head: ResponseHead,
        /// The body, whole or as it comes.
        body: OutputBody,
    },
    /// The handler finished and there is nothing to answer.
    Settled,
    /// The handler threw, or broke the protocol of its dialect.
    Failed(FunctionError),
    /// The runner went away after it had got the invocation.
    Lost(LostReason),
    /// It took too long.
    TimedOut {
        /// What was waited for.
        phase: TimeoutPhase,
        /// The limit.
        after: Duration,
    },
    /// It was not run.
    Refused(Refusal),
}

/// Status and headers of an answer, as the handler gave them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseHead {
    /// 100 to 599, as the handler said; the gateway checks it.
    pub status: u16,
    /// In order, repeated ones repeated.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

/// What a function threw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionError {
    /// The error's class.
    #[serde(default)]
    pub name: String,
    /// What it says.
    #[serde(default)]
    pub message: String,
    /// Where it was thrown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stack: String,
    /// A stable code, if it came from the runtime itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Why an invocation was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum LostReason {
    /// The runner's process ended.
    RunnerExited {
        /// How.
        exit: RunnerExit,
    },
    /// The runner's connection ended, or it broke the protocol.
    SessionEnded {
        /// What was seen.
        detail: String,
    },
    /// Jobber killed the runner (asked for by a person, or its hard age).
    RunnerStopped,
    /// An actor of Jobber's own failed while it held the invocation.
    Dropped,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunnerExited { exit } if exit.out_of_memory => {
                f.write_str("the runner was ended for its memory limit")
            }
            Self::RunnerExited { exit } => match (exit.code, exit.signal) {
                (_, Some(signal)) => write!(f, "the runner was ended by signal {signal}"),
                (Some(code), None) => write!(f, "the runner's process ended with code {code}"),
                (None, None) => f.write_str("the runner's process ended"),
            },
            Self::SessionEnded { detail } => write!(f, "the runner's connection ended: {detail}"),
            Self::RunnerStopped => f.write_str("the runner was stopped"),
            Self::Dropped => f.write_str("the server lost it"),
        }
    }
}

/// What an invocation waited for when its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeoutPhase {
    /// A runner.
    Queue,
    /// The handler.
    Handler,
}

impl TimeoutPhase {
    /// What callers and the record are told.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Queue => "queue-timeout",
            Self::Handler => "function-timeout",
        }
    }
}

/// Why an invocation was not even tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The job's queue is full: 429.
    #[error("the job's queue is full ({limit} waiting)")]
    QueueFull {
        /// `queue.length`.
        limit: u32,
    },
    /// The server is shutting down, or the job was disabled or removed: 503.
    #[error("the function is being shut down")]
    ShuttingDown,
    /// No runner can be had; what the last attempt to start or load one said: 503, or 500 when it is the function's own error.
    #[error("no runner can be started: {0}")]
    NoRunner(String),
    /// Target, header and route parameters together do not fit into what a runner is sent at once: 431.
    #[error("the request's target and header are too large")]
    HeadTooLarge,
    /// The module can not be imported: 500, with the function's error.
    #[error("the function could not be loaded: {}", .0.message)]
    LoadFailed(FunctionError),
}

impl Refusal {
    /// Why, in few words and without what differs from one to the next.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::QueueFull { .. } => "the queue is full",
            Self::ShuttingDown => "the function is being shut down",
            Self::NoRunner(_) => "no runner can be started",
            Self::HeadTooLarge => "the request's target and header are too large",
            Self::LoadFailed(_) => "the function could not be loaded",
        }
    }

    /// All codes.
    pub const CODES: [&'static str; 5] = [
        "queue-full",
        "shutting-down",
        "no-runner",
        "headers-too-large",
        "load-failed",
    ];

    /// What callers and the record are told.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::QueueFull { .. } => "queue-full",
            Self::ShuttingDown => "shutting-down",
            Self::NoRunner(_) => "no-runner",
            Self::HeadTooLarge => "headers-too-large",
            Self::LoadFailed(_) => "load-failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_one_of_the_codes() {
        let refusals = [
            Refusal::QueueFull { limit: 1 },
            Refusal::ShuttingDown,
            Refusal::NoRunner(String::new()),
            Refusal::HeadTooLarge,
            Refusal::LoadFailed(FunctionError::default()),
        ];
        assert_eq!(refusals.each_ref().map(Refusal::code), Refusal::CODES);
    }
}
