//! Where lines of the jobs' logs come in: what functions write, within what each runner may; and Jobber's own words.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use serde_json::json;
use tokio::time::Instant;

use super::throttle::{LogRate, LogThrottle};
use super::{LogRing, cut};
use crate::domain::{JobId, RunnerId, VersionId};
use crate::ports::{LogLevel, LogLine, OutputStream};
use crate::sink::RingItem as _;

/// Kinds of happenings that are counted until the next flush. More are not told.
const MOST_COUNTS: usize = 10_000;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// Whose log it stands in.
    pub job: JobId,
    /// A version of the job.
    pub version: Option<VersionId>,
    /// A runner of the version.
    pub runner: Option<RunnerId>,
}

/// What may happen so often that a line for each time would be a flood of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Recurring {
    /// Lines were dropped, because a runner logs more than it may.
    LinesDropped,
    /// Calls were refused, for this reason.
    CallsRefused(&'static str),
    /// Runners were started.
    RunnersStarted,
    /// Runners were told to end.
    RunnersEnded,
}

/// The way into the ring of log lines.
#[derive(Debug)]
pub struct LogIntake {
    ring: Arc<LogRing>,
    rate: LogRate,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of runners that have logged something lately.
    throttles: HashMap<RunnerId, LogThrottle>,
    counts: HashMap<(Subject, Recurring), u64>,
}

impl LogIntake {
    /// The way into this ring, for runners that may log so much.
    #[must_use]
    pub fn new(ring: Arc<LogRing>, rate: LogRate) -> Self {
        Self {
            ring,
            rate,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Changed in whole steps; nothing that can panic runs between them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A function has written this, or something else that one runner causes. `false` if the runner logs more than it may: then
    /// the line is dropped and counted.
    pub fn written(&self, mut line: LogLine) -> bool {
        cut(&mut line.message);
        if let Some(runner) = line.runner {
            let cost = u64::try_from(line.cost()).unwrap_or(u64::MAX);
            let now = Instant::now();
            let mut state = self.lock();
            let throttle = state.throttles.entry(runner);
            let throttle = throttle.or_insert_with(|| LogThrottle::new(self.rate, now));
            if !throttle.admit(cost, now) {
                state.count(subject_of(&line), Recurring::LinesDropped, 1);
                return false;
            }
        }
        self.ring.push(line);
        true
    }

    /// Jobber says this about a job. `event` is a word for programs.
    pub fn tell(&self, subject: Subject, level: LogLevel, event: &'static str, mut message: String) {
        cut(&mut message);
        self.ring
            .push(system_line(subject, level, message, json!({ "event": event })));
    }

    /// This has happened so many times; the next flush tells it with all others of its kind.
    pub fn count(&self, subject: Subject, what: Recurring, times: u64) {
        if times > 0 {
            self.lock().count(subject, what, times);
        }
    }

    /// Tells what was counted since the last time, of jobs that there still are: a job that was removed leaves no line behind it. To be
    /// called every second or so.
    pub fn flush(&self, is_there: impl Fn(JobId) -> bool) {
        let now = Instant::now();
        let mut counts: Vec<_> = {
            let mut state = self.lock();
            state.throttles.retain(|_, throttle| !throttle.is_full(now));
            state.counts.drain().collect()
        };
        counts.retain(|((subject, _), _)| is_there(subject.job));
        counts.sort_unstable();
        for ((subject, what), times) in counts {
            self.ring.push(what.line(subject, times));
        }
    }
}

impl State {
    fn count(&mut self, subject: Subject, what: Recurring, times: u64) {
        let key = (subject, what);
        if self.counts.len() < MOST_COUNTS || self.counts.contains_key(&key) {
            *self.counts.entry(key).or_default() += times;
        }
    }
}

impl Recurring {
    fn line(self, subject: Subject, times: u64) -> LogLine {
        let of = |one: &str, many: &str| format!("{times} {}", if times == 1 { one } else { many });
        let (level, message, fields) = match self {
            Self::LinesDropped => (
                LogLevel::Warn,
                format!(
                    "{} dropped: the runner logs more than it may",
                    of("line was", "lines were")
                ),
                json!({ "event": "throttled", "lines": times }),
            ),
            Self::CallsRefused(reason) => (
                LogLevel::Warn,
                format!("{} refused: {reason}", of("call was", "calls were")),
                json!({ "event": "refused", "calls": times }),
            ),
            Self::RunnersStarted => (
                LogLevel::Info,
                format!("{} started", of("runner is", "runners are")),
                json!({ "event": "scaled-up", "runners": times }),
            ),
            Self::RunnersEnded => (
                LogLevel::Info,
                format!("{} ended", of("runner is", "runners are")),
                json!({ "event": "scaled-down", "runners": times }),
            ),
        };
        system_line(subject, level, message, fields)
    }
}

/// What a line is about.
fn subject_of(line: &LogLine) -> Subject {
    Subject {
        job: line.job,
        version: line.version,
        runner: line.runner,
    }
}

fn system_line(subject: Subject, level: LogLevel, message: String, fields: serde_json::Value) -> LogLine {
    LogLine {
        time: Utc::now(),
        job: subject.job,
        version: subject.version,
        runner: subject.runner,
        invocation: None,
        stream: OutputStream::System,
        level,
        message,
        fields: Some(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_sink::LOG_RING_LIMITS;

    fn intake(burst_bytes: u64) -> (Arc<LogRing>, LogIntake) {
        let ring = Arc::new(LogRing::new(LOG_RING_LIMITS));
        let rate = LogRate {
            bytes_per_second: 1,
            burst_bytes,
        };
        (Arc::clone(&ring), LogIntake::new(ring, rate))
    }

    fn runner() -> Subject {
        Subject {
            job: JobId::generate(),
            version: Some(VersionId::generate()),
            runner: Some(RunnerId::generate()),
        }
    }

    fn line(subject: Subject, message: &str) -> LogLine {
        LogLine {
            stream: OutputStream::Stdout,
            fields: None,
            ..system_line(subject, LogLevel::Info, message.to_owned(), json!(null))
        }
    }

    fn taken(ring: &LogRing) -> Vec<LogLine> {
        let batch = ring.take(1_000_000);
        let lines = batch.items().to_vec();
        batch.done();
        lines
    }

    #[tokio::test(start_paused = true)]
    async fn a_runner_that_floods_loses_its_own_lines_and_is_told_how_many() {
        let (ring, intake) = intake(1_000);
        let (loud, quiet) = (runner(), runner());
        let passed = (0..1_000).filter(|_| intake.written(line(loud, "noise"))).count();
        assert!((1..10).contains(&passed), "{passed}");
        assert!(intake.written(line(quiet, "a word")));
        intake.flush(|_| true);
        let lines = taken(&ring);
        assert_eq!(lines.len(), passed + 2);
        let note = lines.last().unwrap();
        let dropped = 1_000 - passed;
        assert!(note.message.starts_with(&format!("{dropped} lines were dropped")));
        assert_eq!((note.stream, note.level), (OutputStream::System, LogLevel::Warn));
        assert_eq!(subject_of(note), loud);
        assert_eq!(
            note.fields,
            Some(json!({ "event": "throttled", "lines": dropped }))
        );
        intake.flush(|_| true);
        assert!(taken(&ring).is_empty(), "it is told once");
        assert_eq!(intake.lock().throttles.len(), 2);
        tokio::time::advance(std::time::Duration::from_secs(2_000)).await;
        intake.flush(|_| true);
        assert!(
            intake.lock().throttles.is_empty(),
            "runners that are silent are forgotten"
        );
    }

    #[tokio::test]
    async fn a_burst_of_refusals_is_one_line() {
        let (ring, intake) = intake(1_000);
        let subject = Subject {
            runner: None,
            ..runner()
        };
        for _ in 0..500 {
            intake.count(subject, Recurring::CallsRefused("the queue is full"), 1);
        }
        intake.count(subject, Recurring::CallsRefused("no runner can be had"), 1);
        intake.flush(|_| true);
        let messages: Vec<_> = taken(&ring).into_iter().map(|line| line.message).collect();
        assert_eq!(
            messages,
            [
                "1 call was refused: no runner can be had",
                "500 calls were refused: the queue is full"
            ]
        );
    }

    #[tokio::test]
    async fn what_is_too_long_is_cut_with_a_note() {
        let (ring, intake) = intake(1_000_000);
        intake.written(line(runner(), &"ü".repeat(64 * 1024)));
        let message = &taken(&ring)[0].message;
        assert!(message.len() <= super::super::MAX_LINE_BYTES, "{}", message.len());
        assert!(message.starts_with("üü") && message.ends_with(" bytes of this line were cut]"));
    }
}
