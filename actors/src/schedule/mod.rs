//! Cron expressions and time zones: what a schedule trigger is checked for when a package is published.
//!
//! [`CronExpression`] is a reading of our own, without the ambiguities of the text: seconds, aliases, names, wrapped ranges
//! and weekday numbers are resolved, so that [`CronExpression::normalised`] is understood alike by everyone who computes
//! with it. That is saffron, which takes weekday numbers as Quartz does (1 is Sunday) where users expect 0 and 7 to be
//! Sunday, and fires or panics wrongly on wrapped ranges.
//!
//! Of the day of the month and the day of the week either may match if both are restricted (as in cron(8)); `*`, `?` and
//! `*/1` restrict nothing.

mod expression;
mod fault;
mod fields;
mod parser;
mod values;
mod zone;

#[cfg(test)]
mod tests;

pub use expression::CronExpression;
pub use fault::{CronError, CronFault};
pub use fields::{DaysOfMonth, DaysOfWeek, Fields};
pub use values::Values;
pub use zone::{ZoneError, parse_zone};

/// When something happens: an expression, and the zone whose wall clock it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The times.
    pub cron: CronExpression,
    /// The zone.
    pub timezone: chrono_tz::Tz,
}
