//! A cron expression after its text has been understood, and the times that it means on a clock without a zone.

use std::fmt;
use std::panic::catch_unwind;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Serialize, Serializer};

use super::fault::{CronError, CronFault};
use super::fields::{DaysOfMonth, DaysOfWeek, Fields};
use super::parser::parse;
use super::values::Values;

/// A valid cron expression that has at least one instant.
#[derive(Clone, PartialEq, Eq)]
pub struct CronExpression {
    text: String,
    fields: Fields,
    /// saffron's reading of the normalised text, without the fields for days where these speak of working days.
    minutes: saffron::Cron,
}

impl CronExpression {
    /// Reads an expression of five fields (minute, hour, day of month, month, day of week), of six (second first), or an alias
    /// such as `@daily`.
    ///
    /// # Errors
    /// [`CronError`] with the position of the fault; also for an expression that has no instant (30 February).
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let fields = parse(text)?;
        let minutes = compile(&fields).ok_or(CronError {
            position: 0,
            fault: CronFault::NotComputable,
        })?;
        Ok(Self {
            text: text.to_owned(),
            fields,
            minutes,
        })
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the fields mean.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The expression without seconds in its plainest form: five fields with rising ranges, months as numbers, weekdays by
    /// name, `*` for what is not restricted.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.fields.normalised()
    }

    /// Whether it is for every hour, and so goes by elapsed time when the clock is put forward or back.
    pub(super) fn goes_by_elapsed_time(&self) -> bool {
        self.fields.hours.len() == 24
    }

    /// The first time of the expression after this one, on a clock that is never put forward or back. Both are in seconds
    /// since 1970 began on that clock.
    pub(super) fn next_on_clock(&self, after: i64) -> Option<i64> {
        let second = after.rem_euclid(60);
        let minute = after - second;
        let seconds = self.fields.seconds;
        let later = u8::try_from(second).ok().and_then(|second| seconds.after(second));
        // The minute itself is asked for only if it has a second left.
        let next = self.next_minute(if later.is_some() { minute - 60 } else { minute })?;
        let second = later.filter(|_| next == minute).or(seconds.first())?;
        Some(next + i64::from(second))
    }

    /// The first minute of the expression after this one, in seconds.
    fn next_minute(&self, after: i64) -> Option<i64> {
        let mut after = DateTime::from_timestamp(after, 0)?;
        loop {
            let next = next_minute(&self.minutes, after)?;
            // Bounded: only days of the months are offered, and one of them is right within eight years (29 February).
            if !self.fields.days.has_working_days() || self.fields.is_day(next.date_naive()) {
                return Some(next.timestamp());
            }
            after = next.with_hour(23)?.with_minute(59)?;
        }
    }
}

/// saffron's reading of the fields; `None` if its first answer is none of ours.
///
/// Of working days it gets to see nothing: it finds an `L-3W` on wrong days or panics over it, and a `31W` in months of 30 days.
fn compile(fields: &Fields) -> Option<saffron::Cron> {
    let mut readable = *fields;
    if fields.days.has_working_days() {
        readable.days = DaysOfMonth::Any;
        readable.weekdays = DaysOfWeek::Any;
    }
    let cron: saffron::Cron = catch_unwind(|| readable.normalised().parse().ok())
        .ok()
        .flatten()?;
    let first = next_minute(&cron, DateTime::UNIX_EPOCH)?;
    let has = |values: Values, value: u32| u8::try_from(value).is_ok_and(|value| values.contains(value));
    let ours = has(readable.minutes, first.minute())
        && has(readable.hours, first.hour())
        && has(readable.months, first.month())
        && readable.is_day(first.date_naive());
    ours.then_some(cron)
}

/// saffron's next minute, and none if it panics, which is not known to happen with what [`compile`] gives it: one schedule
/// must not take down whoever runs it and thousands of others.
fn next_minute(cron: &saffron::Cron, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    catch_unwind(|| cron.next_after(after)).ok().flatten()
}

impl FromStr for CronExpression {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronExpression({:?})", self.text)
    }
}

impl Serialize for CronExpression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
