//! What is known about the instants of schedules: which were fired, left out or missed.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{ClaimedDelivery, InvocationStatus, QueueError};
use crate::domain::{InvocationId, JobId, ServerId, TriggerId};
use crate::manifest::Overlap;

/// Up to when a schedule's instants have been dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleCursor {
    /// Which trigger.
    pub trigger: TriggerId,
    /// The schedule, as text: a trigger whose schedule changed begins anew.
    pub schedule: String,
    /// Instants up to this one have been dealt with.
    pub handled: DateTime<Utc>,
}

/// An instant that is to start the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// Whose.
    pub job: JobId,
    /// The trigger.
    pub trigger: TriggerId,
    /// The trigger's name, if the package gave one.
    pub trigger_name: Option<std::sync::Arc<str>>,
    /// The instant. A trigger has each at most once, whoever records it.
    pub at: DateTime<Utc>,
    /// The invocation that it becomes.
    pub invocation: InvocationId,
    /// What happens if an earlier one of the trigger is not over.
    pub overlap: Overlap,
}

/// Instants that did not start the function, one or many in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose.
    pub job: JobId,
    /// The trigger.
    pub trigger: TriggerId,
    /// The first of them.
    pub first: DateTime<Utc>,
    /// The last of them.
    pub last: DateTime<Utc>,
    /// How many; at least this many if `uncounted`.
    pub instants: u32,
    /// Whether there were too many to count.
    pub uncounted: bool,
    /// Why.
    pub reason: MissReason,
}

/// Why an instant passed without starting the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// No server was there, and `catchUp` does not make up for it.
    NotRunning,
    /// No server was there, and there were more than `catchUp: all` makes up for.
    BeyondCatchUp,
    /// The trigger's earlier invocation was not over, with `overlap: skip`.
    Overlap,
    /// Too many invocations of the trigger were waiting already, with `overlap: queue`.
    QueueFull,
    /// The job had as much in the durable queue as it may.
    JobFull,
}

impl MissReason {
    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotRunning => "not-running",
            Self::BeyondCatchUp => "beyond-catch-up",
            Self::Overlap => "overlap",
            Self::QueueFull => "queue-full",
            Self::JobFull => "job-full",
        }
    }

    /// Whether nobody was there, or somebody decided.
    #[must_use]
    pub const fn status(self) -> InvocationStatus {
        match self {
            Self::NotRunning | Self::BeyondCatchUp => InvocationStatus::Missed,
            Self::Overlap | Self::QueueFull | Self::JobFull => InvocationStatus::Skipped,
        }
    }
}

impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRunning => "no server was running, and catchUp does not make up for it",
            Self::BeyondCatchUp => "no server was running, and there were more than catchUp makes up for",
            Self::Overlap => "the trigger's earlier invocation was not over",
            Self::QueueFull => "too many invocations of the trigger were waiting",
            Self::JobFull => "the job had as much in the durable queue as it may",
        })
    }
}

/// An instant that was due and was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFire {
    /// What would have been.
    pub fire: Fire,
    /// Why it was not.
    pub reason: MissReason,
}

/// What became of the fires that were recorded, in this server's hands.
#[derive(Debug, Default)]
pub struct Fired {
    /// To be delivered now; claimed already.
    pub claimed: Vec<ClaimedDelivery>,
    /// Waiting for an earlier one of the same trigger.
    pub queued: Vec<InvocationId>,
    /// Left out, with the reason recorded.
    pub skipped: Vec<SkippedFire>,
    /// Gaps that were not known before.
    pub gaps: Vec<Gap>,
    /// Known before: another server, or an earlier life of this one, recorded them.
    pub known: usize,
}

/// The record of the schedules' instants.
#[async_trait]
pub trait ScheduleStore: Send + Sync + 'static {
    /// Up to when the instants of these triggers have been dealt with. A trigger that is not known, or whose schedule is
    /// another one now, is recorded as dealt with up to `now`.
    ///
    /// # Errors
    /// [`QueueError`].
    async fn begin(
        &self,
        triggers: &[(TriggerId, String)],
        now: DateTime<Utc>,
    ) -> Result<Vec<ScheduleCursor>, QueueError>;

    /// Records fires and gaps, and moves the cursors of their triggers on, all at once. A fire becomes a delivery of the durable
    /// queue, claimed by `server` unless it has to wait for an earlier one.
    ///
    /// # Errors
    /// [`QueueError`]; nothing is recorded then, or all of it was.
    async fn record(
        &self,
        server: ServerId,
        fires: &[Fire],
        gaps: &[Gap],
        lease: Duration,
    ) -> Result<Fired, QueueError>;
}
