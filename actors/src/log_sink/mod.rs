//! Batches the functions' log lines to the log store.

mod actor;
mod arrivals;
mod trouble;

pub use actor::LogSink;
pub use arrivals::{LogArrivals, LogWatch};
use chrono::Utc;
pub use trouble::LogTrouble;

use crate::domain::JobId;
use crate::ports::{LogLevel, LogLine, OutputStream};
use crate::sink::{Ring, RingItem, RingLimits};

/// What a line costs besides its text.
const LINE_OVERHEAD_BYTES: usize = 200;

/// Log lines on their way to the log store.
pub type LogRing = Ring<LogLine>;

/// How many log lines may wait unless the operator says otherwise.
pub const LOG_RING_LIMITS: RingLimits = RingLimits {
    total_bytes: 16 * 1024 * 1024,
    job_bytes: 4 * 1024 * 1024,
};

impl RingItem for LogLine {
    fn job(&self) -> JobId {
        self.job
    }

    fn cost(&self) -> usize {
        self.message.len()
            + self.fields.as_ref().map_or(0, |fields| fields.to_string().len())
            + LINE_OVERHEAD_BYTES
    }

    fn in_place_of_dropped(job: JobId, dropped: u64) -> Option<Self> {
        Some(Self {
            time: Utc::now(),
            job,
            version: None,
            runner: None,
            invocation: None,
            stream: OutputStream::System,
            level: LogLevel::Warn,
            message: format!(
                "{dropped} log lines were dropped: the function logs faster than they can be kept"
            ),
            fields: None,
        })
    }
}
