//! Instants against those of croner, which is a work of others.
//!
//! Left out is what croner means otherwise:
//! - it has no days before the month's last (`L-3`, `L-3W`);
//! - of `*/1` in a field for days it takes the field to be restricted;
//! - wrapped ranges it refuses, and `L` alone in the field for weekdays is nothing to it. Those it gets to see in normalised form.
//!
//! Where clocks change it has our rules only in part: an expression with one second, one minute and one hour is due at the end of
//! a gap and at the first of two showings, every other goes by elapsed time. So hours are one or all here, and gaps whole hours.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use proptest::prelude::*;
use proptest::sample::select;

use super::model::{Days, Model, daily_expressions, expressions};
use super::{at, schedule};
use crate::schedule::CronExpression;

/// croner's reading of the expression, if it means the same, from its text or its normalised one.
fn opinion(model: &Model) -> Option<Cron> {
    let last = matches!(
        model.days,
        Days::BeforeLast(1..) | Days::WorkingDayBeforeLast(1..)
    );
    let fields: Vec<&str> = model.text.split(' ').collect();
    let days = [fields[fields.len() - 3], fields[fields.len() - 1]];
    if last || days.contains(&"*/1") {
        return None;
    }
    let expression = CronExpression::parse(&model.text).ok()?;
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        .sloppy_ranges(true)
        .build();
    let normalised = format!("{:?} {}", model.seconds, expression.normalised());
    let given = if days[1] == "L" { &normalised } else { &model.text };
    let cron = parser.parse(given).or_else(|_| parser.parse(&normalised));
    Some(cron.unwrap_or_else(|error| panic!("{normalised}: {error}")))
}

/// The first instants after this one by croner.
fn elsewhere(cron: &Cron, zone: Tz, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    let instants = cron.iter_after(after.with_timezone(&zone)).take(count);
    instants.map(|instant| instant.with_timezone(&Utc)).collect()
}

const CHANGES: [(Tz, &str); 6] = [
    (Tz::Europe__Berlin, "2025-03-30T01:00:00Z"),
    (Tz::Europe__Berlin, "2025-10-26T01:00:00Z"),
    (Tz::America__New_York, "2026-03-08T07:00:00Z"),
    (Tz::America__New_York, "2026-11-01T06:00:00Z"),
    (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z"),
    (Tz::Australia__Lord_Howe, "2025-04-05T15:00:00Z"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn croner_has_the_same_instants(model in expressions(), day in 0..40_000i64, second in 0..86_400i64) {
        let Some(cron) = opinion(&model) else { return Ok(()) };
        let after = at("1990-01-01T00:00:00Z") + TimeDelta::days(day) + TimeDelta::seconds(second);
        let ours: Vec<_> = schedule(&model.text, Tz::UTC).instants_after(after).take(10).collect();
        prop_assert_eq!(&ours, &elsewhere(&cron, Tz::UTC, after, ours.len()), "{}", &model.text);
        prop_assert_eq!(ours.len(), 10);
    }

    #[test]
    fn croner_agrees_where_it_has_the_same_rule_for_changes(
        mut model in daily_expressions(), (zone, moment) in select(CHANGES.to_vec()), hours in 0..12i64,
        fixed in prop::option::of((0..24u32, 0..60u32, 0..60u32)),
    ) {
        model.text = match fixed {
            Some((hour, minute, second)) => format!("{second} {minute} {hour} * * *"),
            None if (0..24).all(|hour| model.hours.contains(hour)) => model.text,
            None => return Ok(()),
        };
        let after = at(moment) - TimeDelta::hours(hours);
        let parser = CronParser::builder().seconds(Seconds::Optional).sloppy_ranges(true).build();
        let Ok(cron) = parser.parse(&model.text) else { return Ok(()) };
        let ours: Vec<_> = schedule(&model.text, zone).instants_after(after).take(40).collect();
        prop_assert_eq!(&ours, &elsewhere(&cron, zone, after, 40), "{} in {} after {}", &model.text, zone, after);
    }
}
