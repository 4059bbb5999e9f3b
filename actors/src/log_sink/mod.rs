//! Batches the functions' log lines to the log store.

mod actor;
mod intake;
mod throttle;
mod trouble;

pub use actor::LogSink;
use chrono::Utc;
pub use intake::{LogIntake, Recurring, Subject};
pub use throttle::LogRate;
pub use trouble::LogTrouble;

use crate::domain::JobId;
use crate::ports::{LogLevel, LogLine, OutputStream};
use crate::sink::{Ring, RingItem, RingLimits};

/// The longest line.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Room for the note at the end of what was cut.
const NOTE_BYTES: usize = 64;
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

/// Cuts what is too long for a line, and says so at its end.
fn cut(message: &mut String) {
    if message.len() <= MAX_LINE_BYTES {
        return;
    }
    let mut kept = MAX_LINE_BYTES - NOTE_BYTES;
    while !message.is_char_boundary(kept) {
        kept -= 1;
    }
    let missing = message.len() - kept;
    message.truncate(kept);
    message.push_str(&format!("… [{missing} bytes of this line were cut]"));
}
