//! The instants of a schedule.

use std::iter::from_fn;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::clock::{Clock, SPAN};
use super::expression::CronExpression;

/// Year 1 begins, in seconds since 1970. chrono can compute safely around it.
const FIRST: i64 = -62_135_596_800;

/// Year 2262 begins, in seconds since 1970. In it an instant's nanoseconds cease to fit into 64 bits.
const END: i64 = 9_214_646_400;

/// When something happens: an expression, and the zone whose wall clock it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The times.
    pub cron: CronExpression,
    /// The zone.
    pub timezone: Tz,
}

impl Schedule {
    /// The first instant after this one. Instants are whole seconds of the years 1 to 2261; there is none after the last.
    #[must_use]
    pub fn next_after(&self, instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let start = instant.timestamp().max(FIRST - 1);
        let next = self.next_second(start).filter(|next| *next < END)?;
        DateTime::from_timestamp(next, 0)
    }

    /// All instants after this one, in order. There can be billions.
    pub fn instants_after(&self, instant: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let mut last = Some(instant);
        from_fn(move || {
            last = last.and_then(|last| self.next_after(last));
            last
        })
    }

    /// The instants after `after`, up to and with `until`, in order.
    pub fn between(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        self.instants_after(after)
            .take_while(move |instant| *instant <= until)
    }

    /// Goes through the zone's changes, and passes over the time in between at once. `next` is always the first time of the
    /// expression that the clock has not shown before `passed`, and that `passed` is before.
    fn next_second(&self, start: i64) -> Option<i64> {
        let clock = Clock(self.timezone);
        let elapsed = self.cron.goes_by_elapsed_time();
        let mut passed = start;
        let mut offset = clock.offset(passed);
        let mut shown = passed + offset;
        if !elapsed {
            // If the clock has just been put back, what it shows now is not new.
            let earlier = passed - SPAN;
            let change = clock.change_after(earlier, clock.offset(earlier));
            shown = change.map_or(shown, |change| shown.max(change.old - 1));
        }
        let mut next = self.cron.next_on_clock(shown)?;
        while passed < END {
            let due = next - offset;
            match clock.change_after(passed, offset) {
                Some(change) if due >= change.at => {
                    let left_out = next < change.new;
                    let whole_hours = (change.new - change.old) % 3_600 == 0;
                    if left_out && !(elapsed && whole_hours) {
                        return Some(change.at);
                    }
                    if elapsed {
                        next = self.cron.next_on_clock(change.new - 1)?;
                    }
                    passed = change.at - 1;
                    offset = change.new - change.at;
                }
                None if due > passed + SPAN => {
                    // The clock's changes until shortly before do not matter: it shows nothing of the expression in between.
                    passed = due - SPAN;
                    offset = clock.offset(passed);
                }
                _ => return Some(due),
            }
        }
        None
    }
}
