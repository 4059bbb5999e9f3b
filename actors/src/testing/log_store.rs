//! Log lines in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::Utc;

use super::locked;
use crate::domain::JobId;
use crate::ports::{LogError, LogLevel, LogLine, LogStore, OutputStream};

/// A line that some function of this job has written.
#[must_use]
pub fn log_line(job: JobId, message: impl Into<String>) -> LogLine {
    LogLine {
        time: Utc::now(),
        job,
        version: None,
        runner: None,
        invocation: None,
        stream: OutputStream::Stdout,
        level: LogLevel::Info,
        message: message.into(),
        fields: None,
    }
}

/// A log store that keeps everything, and fails when it is told to.
#[derive(Debug, Default)]
pub struct FakeLogStore {
    lines: Mutex<Vec<LogLine>>,
    batches: AtomicU32,
    failures: AtomicU32,
    hangs: AtomicBool,
    unreachable: AtomicBool,
}

impl FakeLogStore {
    /// What was kept, in order.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        locked(&self.lines).clone()
    }

    /// The texts of what was kept, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        locked(&self.lines)
            .iter()
            .map(|line| line.message.clone())
            .collect()
    }

    /// How many batches were kept.
    #[must_use]
    pub fn batches(&self) -> u32 {
        self.batches.load(Ordering::SeqCst)
    }

    /// The next so many batches are refused.
    pub fn fail(&self, batches: u32) {
        self.unreachable.store(false, Ordering::SeqCst);
        self.failures.store(batches, Ordering::SeqCst);
    }

    /// The next so many batches find nobody.
    pub fn be_unreachable(&self, batches: u32) {
        self.unreachable.store(true, Ordering::SeqCst);
        self.failures.store(batches, Ordering::SeqCst);
    }

    /// From now on no batch is answered, or all are again.
    pub fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }
}

#[async_trait]
impl LogStore for FakeLogStore {
    async fn append(&self, lines: &[LogLine]) -> Result<(), LogError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let refuses = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        if refuses {
            return Err(LogError {
                unreachable: self.unreachable.load(Ordering::SeqCst),
                ..LogError::refused("a test wants it so")
            });
        }
        self.batches.fetch_add(1, Ordering::SeqCst);
        locked(&self.lines).extend_from_slice(lines);
        Ok(())
    }
}
