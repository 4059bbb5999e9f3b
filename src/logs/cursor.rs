//! Places in a job's log.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// A place in a job's log. Shown as `<microseconds since 1970>.<sequence>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogCursor {
    /// When the line was written.
    pub time: DateTime<Utc>,
    /// Tells lines of the same time apart. Those of lines begin at 1.
    pub sequence: i64,
}

impl LogCursor {
    /// Before every line of this moment.
    #[must_use]
    pub const fn at(time: DateTime<Utc>) -> Self {
        Self { time, sequence: 0 }
    }
}

impl fmt::Display for LogCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.time.timestamp_micros(), self.sequence)
    }
}

/// A text that is neither a cursor nor a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither the cursor of a line nor a time like 2026-01-31T12:00:00Z")]
pub struct NotACursor;

impl FromStr for LogCursor {
    type Err = NotACursor;

    /// Takes what [`fmt::Display`] gives, or a time of RFC 3339.
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::at(time.to_utc()));
        }
        let (micros, sequence) = text.split_once('.').ok_or(NotACursor)?;
        let micros = micros.parse().map_err(|_| NotACursor)?;
        let time = DateTime::from_timestamp_micros(micros).ok_or(NotACursor)?;
        Ok(Self {
            time,
            sequence: sequence.parse().map_err(|_| NotACursor)?,
        })
    }
}

impl Serialize for LogCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_times_are_taken_too() {
        let cursor: LogCursor = "1700000000123456.42".parse().unwrap();
        assert_eq!(cursor.to_string(), "1700000000123456.42");
        assert_eq!(
            "2026-01-31T12:00:00Z".parse::<LogCursor>().unwrap().to_string(),
            "1769860800000000.0"
        );
        assert_eq!("yesterday".parse::<LogCursor>(), Err(NotACursor));
        assert_eq!("1.x".parse::<LogCursor>(), Err(NotACursor));
    }
}
