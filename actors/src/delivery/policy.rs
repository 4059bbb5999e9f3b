//! What an attempt came to, and what follows from it: pure decisions.

use std::time::Duration;

use crate::invocation::{Outcome, Refusal, TimeoutPhase};
use crate::manifest::RetryPolicy;
use crate::ports::{DeliveryFailure, Tries};

/// A delivery whose runner was lost while it worked is tried again this often, whatever the package says: most often it is not
/// the delivery's fault. One that ends every runner must not do so for ever.
pub const MAX_LOSSES: u32 = 5;
/// No wait between two attempts is longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(24 * 3600);
const FIRST_LOSS_BACKOFF: Duration = Duration::from_secs(1);
/// The action was busy: how long until it is asked again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// No runner can be had: how long until it is asked again.
const BROKEN_PAUSE: Duration = Duration::from_secs(5);
/// A wait is between this part and that part of what it would be without jitter.
const JITTER: (f64, f64) = (0.8, 1.2);

/// How an attempt ended, as far as a further one is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The handler did it.
    Done,
    /// The handler was not called. Asked again after this time, not counted as an attempt.
    NotRun(Duration),
    /// The handler threw or took too long.
    Failed(DeliveryFailure),
    /// The runner went away while the handler may have worked.
    Lost(DeliveryFailure),
    /// No attempt can succeed; none was made.
    Impossible(DeliveryFailure),
    /// The attempt failed, and any other would fail the same way.
    Hopeless(DeliveryFailure),
}

impl AttemptEnd {
    /// What an outcome means for a delivery. An answer, if there is one, goes nowhere.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Responded { .. } | Outcome::Settled => Self::Done,
            Outcome::Failed(error) => Self::Failed(DeliveryFailure {
                reason: "function-failed".into(),
                message: format!("{}: {}", error.name, error.message),
                error: Some(error),
            }),
            Outcome::TimedOut {
                phase: TimeoutPhase::Handler,
                after,
            } => Self::Failed(failure(
                "timed-out",
                format!("the handler took longer than {} s", after.as_secs_f64()),
            )),
            Outcome::TimedOut {
                phase: TimeoutPhase::Queue,
                ..
            } => Self::NotRun(BUSY_PAUSE),
            Outcome::Lost(reason) => Self::Lost(failure("runner-lost", reason.to_string())),
            Outcome::Refused(Refusal::HeadTooLarge) => Self::Impossible(failure(
                "too-large",
                "topic and properties together are more than a runner can be sent at once".into(),
            )),
            Outcome::Refused(Refusal::QueueFull { .. } | Refusal::ShuttingDown) => Self::NotRun(BUSY_PAUSE),
            Outcome::Refused(Refusal::NoRunner(_) | Refusal::LoadFailed(_)) => Self::NotRun(BROKEN_PAUSE),
        }
    }
}

fn failure(reason: &str, message: String) -> DeliveryFailure {
    DeliveryFailure {
        reason: reason.into(),
        message,
        error: None,
    }
}

/// What is to be done with a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is done.
    Nothing,
    /// Ask again after this time.
    Postpone(Duration),
    /// Try again after this time.
    Retry {
        /// How long to wait.
        after: Duration,
        /// What was tried, this attempt included.
        tries: Tries,
        /// Why it failed.
        failure: DeliveryFailure,
    },
    /// Give up.
    Dead {
        /// What was tried, this attempt included.
        tries: Tries,
        /// Why it failed.
        failure: DeliveryFailure,
    },
}

/// Decides what follows an attempt. `tries` is what had been tried before it, `chance` a random number from 0 to 1.
#[must_use]
pub fn decide(policy: &RetryPolicy, tries: Tries, end: AttemptEnd, chance: f64) -> Next {
    match end {
        AttemptEnd::Done => Next::Nothing,
        AttemptEnd::NotRun(after) => Next::Postpone(jittered(after, chance)),
        AttemptEnd::Impossible(failure) => Next::Dead { tries, failure },
        AttemptEnd::Hopeless(failure) => Next::Dead {
            tries: Tries {
                failed: tries.failed.saturating_add(1),
                ..tries
            },
            failure,
        },
        AttemptEnd::Failed(failure) => {
            let tries = Tries {
                failed: tries.failed.saturating_add(1),
                ..tries
            };
            if tries.failed > policy.max {
                return Next::Dead { tries, failure };
            }
            let after = jittered(doubled(policy.backoff, tries.failed), chance);
            Next::Retry {
                after,
                tries,
                failure,
            }
        }
        AttemptEnd::Lost(failure) => {
            let tries = Tries {
                lost: tries.lost.saturating_add(1),
                ..tries
            };
            if tries.lost > MAX_LOSSES {
                return Next::Dead { tries, failure };
            }
            let after = jittered(doubled(FIRST_LOSS_BACKOFF, tries.lost), chance);
            Next::Retry {
                after,
                tries,
                failure,
            }
        }
    }
}

/// `first`, doubled for every attempt after the first.
fn doubled(first: Duration, attempt: u32) -> Duration {
    let factor = 2u32.checked_pow(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    first
        .checked_mul(factor)
        .unwrap_or(LONGEST_BACKOFF)
        .min(LONGEST_BACKOFF)
}

fn jittered(wait: Duration, chance: f64) -> Duration {
    let (least, most) = JITTER;
    wait.mul_f64(least + (most - least) * chance.clamp(0.0, 1.0))
}
