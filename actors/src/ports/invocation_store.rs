//! Where the records of invocations go.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{InvocationId, JobId, RunnerId, ServerId, VersionId};
use crate::invocation::{ByHand, Input, ResponseHead, TriggerRef};

/// How it stands with an attempt at an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvocationStatus {
    /// It waits for a runner.
    Queued,
    /// A runner has it.
    Running,
    /// The handler answered, or finished.
    Succeeded,
    /// The handler threw.
    Failed,
    /// It took too long, in the queue or at the handler.
    TimedOut,
    /// It was not run.
    Refused,
    /// The runner, an actor that held it, or the server was lost.
    Lost,
    /// Whoever had asked for it gave up before there was an answer.
    Cancelled,
    /// An instant that nobody was there to start.
    Missed,
    /// An instant that was passed over, because the one before still ran.
    Skipped,
}

impl InvocationStatus {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Refused,
        Self::Lost,
        Self::Cancelled,
        Self::Missed,
        Self::Skipped,
    ];

    /// What it is called in the record and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
        }
    }

    /// What has this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing will follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// What a cold start was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdStart {
    /// From the runner's creation until it had dialled in.
    pub connect: Duration,
    /// From there until its module was imported.
    pub load: Duration,
}

/// Why an attempt was no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedError {
    /// A stable code, such as `runner-lost`.
    pub code: Cow<'static, str>,
    /// The class of what the handler threw.
    pub name: Option<String>,
    /// What it says, without secrets.
    pub message: String,
}

/// A part of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapturedBody {
    /// Its beginning.
    pub bytes: Bytes,
    /// Whether there was more.
    pub truncated: bool,
}

/// Input and output of an attempt, without credentials.
#[derive(Clone, Debug)]
pub struct CapturedPayload {
    /// What the trigger said.
    pub input: Input,
    /// Its body.
    pub input_body: CapturedBody,
    /// Status and headers of the answer, if there was one.
    pub output: Option<ResponseHead>,
    /// Its body.
    pub output_body: CapturedBody,
}

/// One attempt at an invocation, as it is recorded.
#[derive(Clone, Debug)]
pub struct InvocationRecord {
    /// The invocation.
    pub id: InvocationId,
    /// 1 for the first.
    pub attempt: u32,
    /// Whose it is.
    pub job: JobId,
    /// Which version was to run; unknown for an instant that nobody started.
    pub version: Option<VersionId>,
    /// What started it.
    pub trigger: TriggerRef,
    /// What kind of trigger: `http`, `mqtt`, `schedule`.
    pub kind: &'static str,
    /// What it was about: method and path, topic, or instant.
    pub subject: String,
    /// How it stands.
    pub status: InvocationStatus,
    /// When it was admitted.
    pub queued: DateTime<Utc>,
    /// When a runner got it.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// Which runner got it.
    pub runner: Option<RunnerId>,
    /// What it waited for, if it had to wait for a new runner.
    pub cold_start: Option<ColdStart>,
    /// Bytes of the input's body, as far as they were sent.
    pub input_bytes: Option<u64>,
    /// Bytes of the answer's body.
    pub output_bytes: Option<u64>,
    /// Most bytes of memory that the runner's process is known to have held when it ended.
    pub peak_memory: Option<u64>,
    /// Status of the answer, for an HTTP request.
    pub http_status: Option<u16>,
    /// Why it was no success.
    pub error: Option<RecordedError>,
    /// Why a person has asked for it, if one has.
    pub by_hand: Option<ByHand>,
    /// Input and output, if they are kept.
    pub payload: Option<Box<CapturedPayload>>,
    /// Whether there may be a record of the same attempt already, from when it was not over.
    pub replaces: bool,
}

/// Why records could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("the record of invocations failed: {0}")]
pub struct InvocationStoreError(pub String);

/// Keeps records of invocations.
#[async_trait]
pub trait InvocationStore: Send + Sync + 'static {
    /// Keeps these records of this life of a server, all or none. A record that is there already is written over unless it is
    /// final; the same records may come twice.
    ///
    /// # Errors
    /// [`InvocationStoreError`]; the caller tries again.
    async fn append(
        &self,
        server: ServerId,
        records: &[InvocationRecord],
    ) -> Result<(), InvocationStoreError>;
}
