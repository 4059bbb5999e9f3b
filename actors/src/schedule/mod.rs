//! Cron expressions, time zones, and the instants that come of both.
//!
//! [`CronExpression`] is a reading of our own, without the ambiguities of the text: seconds, aliases, names, wrapped ranges
//! and weekday numbers are resolved, so that [`CronExpression::normalised`] is understood alike by everyone who computes
//! with it. That is saffron, which takes weekday numbers as Quartz does (1 is Sunday) where users expect 0 and 7 to be
//! Sunday, and fires or panics wrongly on wrapped ranges. It knows neither seconds nor zones, and errs about working days
//! (`W`); all three are ours.
//!
//! Of the day of the month and the day of the week either may match if both are restricted (as in cron(8)); `*`, `?` and
//! `*/1` restrict nothing.
//!
//! # When clocks change
//!
//! [`Schedule`] has one of two rules for a zone's clock that is put forward or back. It does not matter how the hours are
//! written, only which they are.
//!
//! - **Some hours**: the expression speaks of times that the clock shows. Each of them happens when the clock first reaches
//!   it. What the clock leaves out happens at the first instant after the gap, and only once, however many times are left
//!   out and even if one falls on that instant anyway. What it shows twice happens at the first showing.
//! - **Every hour**: the expression goes by elapsed time. It happens whenever the clock shows one of its times, so it goes
//!   on through both showings, and a gap of whole hours changes nothing for it. A gap of other length, such as the half
//!   hour of Lord Howe Island, would skip minutes without skipping their hour; if any of them is the expression's, it
//!   happens at the first instant after the gap.
//!
//! The zones' rules are those of the IANA database that Jobber was built with, which end in 2099: what they say then goes on.

mod clock;
mod expression;
mod fault;
mod fields;
mod instants;
mod parser;
mod values;
mod zone;

#[cfg(test)]
mod tests;

pub use expression::CronExpression;
pub use fault::{CronError, CronFault};
pub use fields::{DaysOfMonth, DaysOfWeek, Fields};
pub use instants::Schedule;
pub use values::Values;
pub use zone::{ZoneError, parse_zone};
