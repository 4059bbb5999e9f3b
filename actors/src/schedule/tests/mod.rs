//! What expressions mean, and when it happens.

mod changes;

mod model;
mod oracle;
mod parsing;
mod second_opinion;
mod stories;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{CronExpression, Schedule, Values};

fn cron(text: &str) -> CronExpression {
    CronExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn set(values: impl IntoIterator<Item = u8>) -> Values {
    values.into_iter().collect()
}

fn schedule(text: &str, timezone: Tz) -> Schedule {
    Schedule {
        cron: cron(text),
        timezone,
    }
}

/// An instant from its text in RFC 3339.
fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What the clock of the schedule's zone shows at an instant, and how far it is ahead of UTC.
fn shown(schedule: &Schedule, instant: DateTime<Utc>) -> String {
    instant
        .with_timezone(&schedule.timezone)
        .format("%Y-%m-%d %H:%M:%S %::z")
        .to_string()
}

/// The instants from the one on (also this one) until the other (without it), as the clock of the zone shows them.
fn shown_between(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
    let second = chrono::TimeDelta::seconds(1);
    schedule
        .between(at(from) - second, at(until) - second)
        .map(|instant| shown(schedule, instant))
        .collect()
}
