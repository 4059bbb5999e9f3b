//! Giving a runner its package.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;

use super::mask::Mask;
use super::outbound::WriteError;
use super::{Session, SessionClosed};
use crate::domain::{Environment, InvocationId, JobId, JobVersion, VersionId};
use crate::invocation::{FunctionError, InvocationLimits};
use crate::ports::{ArchiveError, LogLevel, LogLine, OutputStream, PackagePart, PackageStream};
use crate::protocol::{
    Assign, AssignedJob, AssignedVersion, Empty, FILE_CHUNK_BYTES, FileHead, Flags, Frame, FrameError,
    FrameKind, LogHead, RunnerLimits,
};

/// A line may have been on its way from its function for so long.
const LONGEST_WAY: TimeDelta = TimeDelta::hours(1);

/// What a runner is to run.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The job's name.
    pub job_name: Arc<str>,
    /// The version.
    pub version: Arc<JobVersion>,
    /// The job's variables.
    pub environment: Arc<Environment>,
    /// What the runner is told about its limits.
    pub runner_limits: RunnerLimits,
    /// What the manager holds it to.
    pub invocation_limits: InvocationLimits,
}

/// Whose log lines and calls a session carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assigned {
    pub(super) job: JobId,
    pub(super) version: VersionId,
}

/// Why a package did not reach its runner.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// The runner is gone.
    #[error(transparent)]
    Closed(#[from] SessionClosed),
    /// The archive could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Something of the package does not fit into a frame.
    #[error("the package can not be sent: {0}")]
    Frame(#[from] FrameError),
}

impl From<WriteError> for AssignError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Closed(closed) => closed.into(),
            WriteError::Frame(frame) => frame.into(),
        }
    }
}

impl Session {
    /// Sends ASSIGN, the files and LOAD. The runner answers with READY or REJECTED.
    ///
    /// # Errors
    /// [`AssignError`]; the runner is of no use then.
    pub async fn assign(&self, assignment: &Assignment, mut files: PackageStream) -> Result<(), AssignError> {
        let version = &assignment.version;
        self.facts.given(Mask::of(&assignment.environment));
        self.assigned.get_or_init(|| Assigned {
            job: version.job,
            version: version.id,
        });
        self.streams().set_limits(assignment.invocation_limits);
        let head = Assign {
            job: AssignedJob {
                id: version.job,
                name: &assignment.job_name,
            },
            version: AssignedVersion {
                id: version.id,
                name: &version.name,
            },
            main: version.manifest.main.as_str(),
            files: version.files,
            bytes: version.bytes,
            limits: assignment.runner_limits,
        };
        // The environment may be larger than a head can be; it travels as the frame's body.
        let environment: BTreeMap<&str, &str> = assignment.environment.expose().collect();
        let environment = serde_json::to_vec(&environment).map_err(|error| FrameError::Json {
            kind: FrameKind::Assign.name(),
            reason: error.to_string(),
        })?;
        self.outbound
            .frame(FrameKind::Assign, Flags::NONE, 0, &head, &environment)?;
        let mut pending: Option<(String, u64, bool)> = None;
        while let Some(part) = files.next().await {
            self.outbound.room().await?;
            match part? {
                PackagePart::File {
                    path,
                    size,
                    executable,
                } => {
                    self.open_file(pending.take(), &[])?;
                    pending = Some((path, size, executable));
                }
                PackagePart::Data(mut bytes) => {
                    while !bytes.is_empty() {
                        let part = bytes.split_to(bytes.len().min(FILE_CHUNK_BYTES));
                        match pending.take() {
                            Some(file) => self.open_file(Some(file), &part)?,
                            None => {
                                self.outbound
                                    .frame(FrameKind::FileData, Flags::NONE, 0, &Empty {}, &part)?;
                            }
                        }
                        self.outbound.room().await?;
                    }
                }
            }
        }
        self.open_file(pending, &[])?;
        self.outbound
            .frame(FrameKind::Load, Flags::NONE, 0, &Empty {}, &[])?;
        Ok(())
    }

    fn open_file(&self, file: Option<(String, u64, bool)>, body: &[u8]) -> Result<(), WriteError> {
        let Some((path, size, executable)) = file else {
            return Ok(());
        };
        self.outbound.frame(
            FrameKind::File,
            Flags::NONE,
            0,
            &FileHead {
                path: &path,
                size,
                executable,
            },
            body,
        )
    }

    /// Whether a package was sent, so that READY, REJECTED and calls make sense.
    pub(super) fn is_loading(&self) -> bool {
        self.assigned.get().is_some()
    }

    /// Keeps the lines of a LOG frame. A runner without a job has nobody to log for.
    pub(super) fn log(&self, frame: &Frame) -> Result<(), FrameError> {
        let head: LogHead = frame.head()?;
        let Some(assigned) = self.assigned.get() else {
            return Ok(());
        };
        let level = head.level.unwrap_or(match head.stream {
            OutputStream::Stderr => LogLevel::Error,
            OutputStream::Stdout | OutputStream::System => LogLevel::Info,
        });
        let mask = self.facts.mask();
        let fields = head.fields.map(|fields| mask.value(fields));
        let now = Utc::now();
        let time = head.time.as_deref().and_then(parse_time);
        let time = time.map_or(now, |time| plausible(time, now));
        let line = |message: String, stream, level| LogLine {
            time,
            job: assigned.job,
            version: Some(assigned.version),
            runner: Some(self.runner),
            invocation: head.invocation,
            stream,
            level,
            message,
            fields: fields.clone(),
        };
        if head.dropped > 0 {
            let note = format!(
                "{} lines before this one were dropped: the function logs faster than its runner can send",
                head.dropped
            );
            let logs = &self.context.logs;
            logs.written(line(note, OutputStream::System, LogLevel::Warn));
            if frame.body.is_empty() {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&frame.body).replace('\0', "\u{fffd}");
        // `stream` can only be what the runner's own streams are.
        let stream = if head.stream == OutputStream::System {
            OutputStream::Stdout
        } else {
            head.stream
        };
        for message in text.split('\n') {
            let message = mask.text(message.to_owned());
            self.context.logs.written(line(message, stream, level));
        }
        Ok(())
    }

    /// A failed invocation is a line of the job's log, with the stack.
    pub(super) fn log_failure(&self, invocation: InvocationId, error: &FunctionError) {
        let Some(assigned) = self.assigned.get() else {
            return;
        };
        let message = if error.stack.is_empty() {
            format!("{}: {}", error.name, error.message)
        } else {
            error.stack.clone()
        };
        self.context.logs.written(LogLine {
            time: Utc::now(),
            job: assigned.job,
            version: Some(assigned.version),
            runner: Some(self.runner),
            invocation: Some(invocation),
            stream: OutputStream::Stderr,
            level: LogLevel::Error,
            message: self.facts.mask().text(message.replace('\0', "\u{fffd}")),
            fields: None,
        });
    }
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// A runner's clock is this machine's or close to it. What it says beyond that is not believed: a line's time decides where it is kept.
fn plausible(time: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    if time > now || now - time > LONGEST_WAY {
        now
    } else {
        time
    }
}
