//! What time it is, by the calendar.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Tells the calendar's time. Timers run on tokio's own clock; this one says what instants of the calendar they stand for.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The system's clock, with all its corrections.
    #[default]
    System,
    /// A calendar that goes along with tokio's clock: for tests, whose time is paused.
    Fixed {
        /// What time it was.
        time: DateTime<Utc>,
        /// When it was that.
        at: Instant,
    },
}

impl Clock {
    /// A calendar that begins now with this time and goes along with tokio's clock.
    #[must_use]
    pub fn beginning_with(time: DateTime<Utc>) -> Self {
        Self::Fixed {
            time,
            at: Instant::now(),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now(),
            Self::Fixed { time, at } => {
                let passed = TimeDelta::from_std(at.elapsed()).unwrap_or(TimeDelta::MAX);
                time.checked_add_signed(passed)
                    .unwrap_or(DateTime::<Utc>::MAX_UTC)
            }
        }
    }
}
