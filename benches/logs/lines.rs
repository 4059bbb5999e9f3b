//! Lines as functions write them: about 120 bytes each, of ten jobs in turn.

use chrono::{DateTime, TimeDelta, Utc};
use jobber_actors::domain::{InvocationId, JobId, RunnerId, VersionId};
use jobber_actors::ports::{LogLevel, LogLine, OutputStream};

const JOBS: usize = 10;
/// Lines that one invocation writes.
const OF_INVOCATION: usize = 5;

/// What is in every line, in whatever case.
pub(crate) const EVERYWHERE: &str = "REQUEST";
/// What is in one of a hundred lines.
pub(crate) const COMMON: &str = "payment refused";
/// What is in one of ten thousand.
pub(crate) const RARE: &str = "disk is full";
/// What is in none.
pub(crate) const MISSING: &str = "no such text";

/// Who writes.
pub(crate) struct Lines {
    pub(crate) jobs: Vec<JobId>,
    versions: Vec<VersionId>,
    runners: Vec<RunnerId>,
    begin: DateTime<Utc>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self {
            jobs: (0..JOBS).map(|_| JobId::generate()).collect(),
            versions: (0..JOBS).map(|_| VersionId::generate()).collect(),
            runners: (0..JOBS * 2).map(|_| RunnerId::generate()).collect(),
            begin: Utc::now() - TimeDelta::minutes(20),
        }
    }

    /// Some of the lines: those from `first` on.
    pub(crate) fn some(&self, first: usize, count: usize) -> Vec<LogLine> {
        let mut invocations: Vec<_> = (0..JOBS).map(|_| InvocationId::generate()).collect();
        (first..first + count)
            .map(|number| {
                let job = number % JOBS;
                // Each job's turn.
                let turn = number / JOBS;
                if turn.is_multiple_of(OF_INVOCATION) {
                    invocations[job] = InvocationId::generate();
                }
                self.line(number, job, invocations[job])
            })
            .collect()
    }

    fn line(&self, number: usize, job: usize, invocation: InvocationId) -> LogLine {
        let turn = number / JOBS;
        let said = match turn {
            turn if turn.is_multiple_of(10_000) => RARE,
            turn if turn.is_multiple_of(100) => COMMON,
            _ => "answered in time",
        };
        let milliseconds = i64::try_from(number / 1_000).unwrap_or(i64::MAX);
        LogLine {
            time: self.begin + TimeDelta::milliseconds(milliseconds),
            job: self.jobs[job],
            version: Some(self.versions[job]),
            runner: Some(self.runners[job * 2 + turn % 2]),
            invocation: Some(invocation),
            stream: OutputStream::Stdout,
            level: LogLevel::Info,
            message: format!(
                "request {number:>9} of customer {:>6} for /api/orders/{:>7}?details=true: {said}, {:>3} ms, 200, cache miss, eu-west",
                number % 77_777,
                number % 1_234_567,
                number % 250
            ),
            fields: None,
        }
    }
}
