//! How invocations end.

use crate::invocation::Outcome;
use crate::ports::InvocationStatus;

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The handler answered, or finished.
    Succeeded,
    /// The handler threw.
    Failed,
    /// The runner, or an actor that held it, was lost.
    Lost,
    /// It took too long, in the queue or at the handler.
    TimedOut,
    /// It was not run.
    Refused,
    /// Whoever had asked for it gave up before there was an answer.
    Cancelled,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::Failed,
        Self::Lost,
        Self::TimedOut,
        Self::Refused,
        Self::Cancelled,
    ];

    /// What an outcome comes to. An answer that is streamed counts when it begins.
    #[must_use]
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Responded { .. } | Outcome::Settled => Self::Succeeded,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Lost(_) => Self::Lost,
            Outcome::TimedOut { .. } => Self::TimedOut,
            Outcome::Refused(_) => Self::Refused,
        }
    }

    /// What metrics call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.status().name()
    }

    /// What the record says of an invocation that ended like this.
    #[must_use]
    pub const fn status(self) -> InvocationStatus {
        match self {
            Self::Succeeded => InvocationStatus::Succeeded,
            Self::Failed => InvocationStatus::Failed,
            Self::Lost => InvocationStatus::Lost,
            Self::TimedOut => InvocationStatus::TimedOut,
            Self::Refused => InvocationStatus::Refused,
            Self::Cancelled => InvocationStatus::Cancelled,
        }
    }
}
