//! What the clocks of a zone show: their distance from UTC, and when it changes. All in seconds.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// Longer than any time by which a zone ever put its clock forward or back (a day, when it changed sides of the date line), and
/// shorter than half the time between any two changes of a zone (a week): a span of this length has one change at most.
pub(super) const SPAN: i64 = 2 * 86_400;

/// The clocks of a zone.
#[derive(Clone, Copy)]
pub(super) struct Clock(pub(super) Tz);

/// A moment at which a clock was put forward or back.
pub(super) struct Change {
    /// The first instant with the new offset.
    pub(super) at: i64,
    /// What the clock would show then without the change. It showed every second before this one.
    pub(super) old: i64,
    /// What it shows instead.
    pub(super) new: i64,
}

impl Clock {
    /// How far the clock is ahead of UTC.
    pub(super) fn offset(self, instant: i64) -> i64 {
        // Instants without a date are millions of years away from those of schedules.
        DateTime::from_timestamp(instant, 0).map_or(0, |instant| {
            let offset = self.0.offset_from_utc_datetime(&instant.naive_utc());
            i64::from(offset.fix().local_minus_utc())
        })
    }

    /// The change after `start`, up to and with `start + SPAN`, given the offset right after `start`.
    pub(super) fn change_after(self, start: i64, offset: i64) -> Option<Change> {
        let (mut before, mut at) = (start, start + SPAN);
        let new = self.offset(at);
        if new == offset {
            return None;
        }
        while at - before > 1 {
            let middle = before + (at - before) / 2;
            if self.offset(middle) == offset {
                before = middle;
            } else {
                at = middle;
            }
        }
        Some(Change {
            at,
            old: at + offset,
            new: at + new,
        })
    }
}
