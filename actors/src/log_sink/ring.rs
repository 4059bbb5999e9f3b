//! Log lines on their way to the log store. Lives outside of the LogSink actor, so that its crash loses none.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use tokio::sync::Notify;

use crate::domain::JobId;
use crate::ports::{LogLevel, LogLine, OutputStream};

/// What a line costs besides its text.
const LINE_OVERHEAD_BYTES: usize = 200;

/// How much may wait. The oldest lines stay, new ones are dropped and counted.
#[derive(Clone, Copy, Debug)]
pub struct LogRingLimits {
    /// Bytes over all jobs.
    pub total_bytes: usize,
    /// Bytes of one job, so that one job's flood does not drop another's lines.
    pub job_bytes: usize,
}

impl Default for LogRingLimits {
    fn default() -> Self {
        Self {
            total_bytes: 16 * 1024 * 1024,
            job_bytes: 4 * 1024 * 1024,
        }
    }
}

#[derive(Debug, Default)]
struct Lines {
    waiting: VecDeque<LogLine>,
    bytes: usize,
    jobs: HashMap<JobId, JobShare>,
    dropped_total: u64,
}

#[derive(Debug, Default)]
struct JobShare {
    bytes: usize,
    dropped: u64,
}

/// What waits to be kept.
#[derive(Debug)]
pub struct LogRing {
    limits: LogRingLimits,
    lines: Mutex<Lines>,
    filled: Notify,
}

impl LogRing {
    /// An empty ring.
    #[must_use]
    pub fn new(limits: LogRingLimits) -> Self {
        Self {
            limits,
            lines: Mutex::default(),
            filled: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, or counts it as dropped when its job or all jobs together have too much waiting.
    pub fn push(&self, line: LogLine) {
        let cost = cost(&line);
        let mut lines = self.lock();
        let total = lines.bytes;
        let share = lines.jobs.entry(line.job).or_default();
        if share.bytes + cost > self.limits.job_bytes || total + cost > self.limits.total_bytes {
            share.dropped += 1;
            lines.dropped_total += 1;
            return;
        }
        share.bytes += cost;
        lines.bytes += cost;
        lines.waiting.push_back(line);
        drop(lines);
        self.filled.notify_one();
    }

    /// Takes up to `most` lines, and a note for each job that had to drop some. They come back if they are not
    /// [done](Batch::done) with.
    #[must_use]
    pub fn take(&self, most: usize) -> Batch<'_> {
        let mut lines = self.lock();
        let count = lines.waiting.len().min(most);
        let mut taken: Vec<LogLine> = lines.waiting.drain(..count).collect();
        for line in &taken {
            let cost = cost(line);
            lines.bytes = lines.bytes.saturating_sub(cost);
            if let Some(share) = lines.jobs.get_mut(&line.job) {
                share.bytes = share.bytes.saturating_sub(cost);
            }
        }
        lines.jobs.retain(|job, share| {
            if share.dropped > 0 {
                taken.push(dropped_note(*job, std::mem::take(&mut share.dropped)));
            }
            share.bytes > 0
        });
        Batch {
            ring: self,
            lines: taken,
        }
    }

    /// Puts lines back to where they were taken from, whatever the limits are.
    fn put_back(&self, taken: Vec<LogLine>) {
        let mut lines = self.lock();
        for line in taken.into_iter().rev() {
            let cost = cost(&line);
            lines.bytes += cost;
            lines.jobs.entry(line.job).or_default().bytes += cost;
            lines.waiting.push_front(line);
        }
        drop(lines);
        self.filled.notify_one();
    }

    /// Resolves when there is something to take.
    pub async fn filled(&self) {
        // Looked at first: whoever waited before may have been told, and be gone.
        while self.lock().waiting.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Lines that wait, their bytes, and how many were dropped since the start.
    #[must_use]
    pub fn gauge(&self) -> LogRingGauge {
        let lines = self.lock();
        LogRingGauge {
            waiting: lines.waiting.len(),
            bytes: lines.bytes,
            dropped: lines.dropped_total,
        }
    }
}

/// Lines on their way to the store. If they do not arrive, because the actor that carries them crashes, they are in the
/// ring again.
#[derive(Debug)]
pub struct Batch<'a> {
    ring: &'a LogRing,
    lines: Vec<LogLine>,
}

impl Batch<'_> {
    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[LogLine] {
        &self.lines
    }

    /// They are kept, or given up.
    pub fn done(mut self) {
        self.lines.clear();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if !self.lines.is_empty() {
            self.ring.put_back(std::mem::take(&mut self.lines));
        }
    }
}

/// How full a [`LogRing`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LogRingGauge {
    /// Lines.
    pub waiting: usize,
    /// Bytes.
    pub bytes: usize,
    /// Lines dropped since the start.
    pub dropped: u64,
}

fn cost(line: &LogLine) -> usize {
    line.message.len()
        + line.fields.as_ref().map_or(0, |fields| fields.to_string().len())
        + LINE_OVERHEAD_BYTES
}

fn dropped_note(job: JobId, dropped: u64) -> LogLine {
    LogLine {
        time: Utc::now(),
        job,
        version: None,
        runner: None,
        invocation: None,
        stream: OutputStream::System,
        level: LogLevel::Warn,
        message: format!("{dropped} log lines were dropped: the function logs faster than they can be kept"),
        fields: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(job: JobId, message: &str) -> LogLine {
        LogLine {
            level: LogLevel::Info,
            message: message.into(),
            ..dropped_note(job, 0)
        }
    }

    #[test]
    fn a_flood_of_one_job_drops_its_own_lines_and_says_so() {
        let ring = LogRing::new(LogRingLimits {
            total_bytes: 10_000,
            job_bytes: 1_000,
        });
        let (loud, quiet) = (JobId::generate(), JobId::generate());
        for _ in 0..100 {
            ring.push(line(loud, "noise"));
        }
        ring.push(line(quiet, "a word"));
        let batch = ring.take(1_000);
        let taken = batch.lines();
        assert!(
            taken
                .iter()
                .any(|line| line.job == quiet && line.message == "a word")
        );
        let kept = taken
            .iter()
            .filter(|line| line.job == loud && line.message == "noise")
            .count();
        assert!((1..100).contains(&kept));
        let note = format!("{} log lines were dropped", 100 - kept);
        assert!(
            taken
                .iter()
                .any(|line| line.job == loud && line.message.starts_with(&note))
        );
        assert_eq!(ring.gauge().bytes, 0);
        batch.done();
    }

    #[test]
    fn lines_come_out_in_order_and_in_bounded_batches() {
        let ring = LogRing::new(LogRingLimits::default());
        let job = JobId::generate();
        for number in 0..5 {
            ring.push(line(job, &number.to_string()));
        }
        let messages = |batch: &Batch<'_>| -> Vec<String> {
            batch.lines().iter().map(|line| line.message.clone()).collect()
        };
        let batch = ring.take(3);
        assert_eq!(messages(&batch), ["0", "1", "2"]);
        assert_eq!(ring.gauge().waiting, 2);
        // What was not done with comes again, before what came later.
        drop(batch);
        let batch = ring.take(4);
        assert_eq!(messages(&batch), ["0", "1", "2", "3"]);
        batch.done();
        assert_eq!(ring.gauge().waiting, 1);
    }
}
