//! The next instants of common and of rare expressions.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::UTC;

use super::{at, cron, schedule};
use crate::schedule::{CronExpression, Schedule};

/// The next instants in UTC.
fn next(text: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(text, UTC);
    let instants = schedule.instants_after(at(after)).take(count);
    instants
        .map(|instant| instant.format("%Y-%m-%d %H:%M:%S").to_string())
        .collect()
}

#[test]
fn the_next_five_instants_of_a_schedule_are_shown() {
    assert_eq!(
        next("30 6 * * MON-FRI", "2026-07-30T12:00:00Z", 5),
        [
            "2026-07-31 06:30:00",
            "2026-08-03 06:30:00",
            "2026-08-04 06:30:00",
            "2026-08-05 06:30:00",
            "2026-08-06 06:30:00",
        ]
    );
    assert_eq!(
        next("*/20,50 59 23 31 12 *", "2026-12-31T23:59:19.5Z", 5),
        [
            "2026-12-31 23:59:20",
            "2026-12-31 23:59:40",
            "2026-12-31 23:59:50",
            "2027-12-31 23:59:00",
            "2027-12-31 23:59:20",
        ]
    );
}

#[test]
fn the_next_instant_is_later_than_the_one_asked_about() {
    for (after, first) in [
        ("2026-01-01T00:00:00Z", "2026-01-01 00:01:00"),
        ("2026-01-01T00:00:00.000000001Z", "2026-01-01 00:01:00"),
        ("2025-12-31T23:59:59.999999999Z", "2026-01-01 00:00:00"),
        ("2025-12-31T23:59:00Z", "2026-01-01 00:00:00"),
        // A leap second belongs to the minute before.
        ("2016-12-31T23:59:60.5Z", "2017-01-01 00:00:00"),
        ("1969-12-31T23:59:59.5Z", "1970-01-01 00:00:00"),
        ("1969-12-31T23:58:00Z", "1969-12-31 23:59:00"),
    ] {
        assert_eq!(next("* * * * *", after, 1), [first], "{after}");
    }
}

#[test]
fn what_was_missed_while_the_server_was_down_can_be_told() {
    let schedule = schedule("0 */6 * * *", UTC);
    let missed = |after: &str, until: &str| schedule.between(at(after), at(until)).count();
    assert_eq!(missed("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"), 4);
    assert_eq!(missed("2026-03-01T00:00:01Z", "2026-03-01T05:59:59Z"), 0);
    assert_eq!(missed("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"), 0);
}

#[test]
fn february_has_29_days_in_leap_years_only() {
    assert_eq!(
        next("0 0 29 2 *", "2095-01-01T00:00:00Z", 3),
        [
            "2096-02-29 00:00:00",
            "2104-02-29 00:00:00",
            "2108-02-29 00:00:00"
        ]
    );
    assert_eq!(
        next("0 0 L 2 *", "2099-01-01T00:00:00Z", 2),
        ["2099-02-28 00:00:00", "2100-02-28 00:00:00"]
    );
    // A fifth Monday in February: 40 years may lie in between.
    assert_eq!(
        next("0 0 ? 2 MON#5", "2072-03-01T00:00:00Z", 2),
        ["2112-02-29 00:00:00", "2140-02-29 00:00:00"]
    );
    // 29 February 2032 is a Sunday, that of 2048 a Saturday.
    assert_eq!(
        next("0 0 29W 2 *", "2029-01-01T00:00:00Z", 5),
        [
            "2032-02-27 00:00:00",
            "2036-02-29 00:00:00",
            "2040-02-29 00:00:00",
            "2044-02-29 00:00:00",
            "2048-02-28 00:00:00",
        ]
    );
}

#[test]
fn working_days_stay_in_their_month_and_months_without_the_day_have_none() {
    // 1 August 2026 is a Saturday, 1 November a Sunday.
    assert_eq!(
        next("0 0 1W 8-11 *", "2026-07-01T00:00:00Z", 4),
        [
            "2026-08-03 00:00:00",
            "2026-09-01 00:00:00",
            "2026-10-01 00:00:00",
            "2026-11-02 00:00:00",
        ]
    );
    // 31 May 2026 is a Sunday; June has 30 days, and 31 October is a Saturday.
    assert_eq!(
        next("0 0 31W * *", "2026-05-01T00:00:00Z", 4),
        [
            "2026-05-29 00:00:00",
            "2026-07-31 00:00:00",
            "2026-08-31 00:00:00",
            "2026-10-30 00:00:00",
        ]
    );
    // 15 August 2026 is a Saturday, 15 November a Sunday.
    assert_eq!(
        next("0 0 15W 8,11 *", "2026-07-01T00:00:00Z", 2),
        ["2026-08-14 00:00:00", "2026-11-16 00:00:00"]
    );
    // Three days before the last of May 2026 is Thursday 28, of November Friday 27, of February 2027 Thursday 25; of August
    // Friday 28, and two days before it Saturday 29.
    assert_eq!(
        next("0 0 L-3W 5,11 *", "2026-05-01T00:00:00Z", 2),
        ["2026-05-28 00:00:00", "2026-11-27 00:00:00"]
    );
    assert_eq!(
        next("0 0 L-2W 8 *", "2026-05-01T00:00:00Z", 1),
        ["2026-08-28 00:00:00"]
    );
    assert_eq!(
        next("0 0 LW 5 *", "2026-05-01T00:00:00Z", 1),
        ["2026-05-29 00:00:00"]
    );
}

#[test]
fn either_day_may_match_if_both_are_restricted() {
    assert_eq!(
        next("0 0 13 * FRI", "2026-11-07T00:00:00Z", 4),
        [
            "2026-11-13 00:00:00",
            "2026-11-20 00:00:00",
            "2026-11-27 00:00:00",
            "2026-12-04 00:00:00",
        ]
    );
    assert_eq!(
        next("0 0 15W * SUN#1", "2026-11-01T00:00:00Z", 3),
        [
            "2026-11-16 00:00:00",
            "2026-12-06 00:00:00",
            "2026-12-15 00:00:00"
        ]
    );
    // Every day restricts as well, unless it is written as `*`.
    assert_eq!(
        next("0 0 1-31 * MON", "2026-11-09T00:00:00Z", 1),
        ["2026-11-10 00:00:00"]
    );
}

#[test]
fn wrapped_hours_are_those_that_are_written() {
    assert_eq!(
        next("0 22-2 * * *", "2026-01-01T20:00:00Z", 6),
        [
            "2026-01-01 22:00:00",
            "2026-01-01 23:00:00",
            "2026-01-02 00:00:00",
            "2026-01-02 01:00:00",
            "2026-01-02 02:00:00",
            "2026-01-02 22:00:00",
        ]
    );
}

#[test]
fn time_ends_with_the_year_2261_and_begins_with_the_year_1() {
    assert_eq!(
        next("0 12 * * *", "2261-12-30T00:00:00Z", 5),
        ["2261-12-30 12:00:00", "2261-12-31 12:00:00"]
    );
    assert_eq!(next("0 0 1 1 *", "2261-01-01T00:00:00Z", 1).len(), 0);
    assert_eq!(next("0 0 ? 2 MON#5", "2250-01-01T00:00:00Z", 1).len(), 0);
    for text in ["* * * * * *", "0 0 * * *", "0 0 31W 1 *", "0 0 29 2 *"] {
        for zone in [UTC, chrono_tz::Pacific::Apia, chrono_tz::America::Juneau] {
            let schedule = schedule(text, zone);
            assert_eq!(schedule.next_after(at("2262-01-01T00:00:00Z")), None);
            assert_eq!(schedule.next_after(DateTime::<Utc>::MAX_UTC), None);
            let first = schedule.next_after(DateTime::<Utc>::MIN_UTC).expect("the first");
            assert!(first < at("0009-01-01T00:00:00Z"), "{text}: {first}");
            assert!(first >= at("0001-01-01T00:00:00Z"), "{text}: {first}");
        }
    }
}

#[test]
fn a_schedule_and_its_expression_can_be_shared_and_compared() {
    fn is_shared<T: Clone + PartialEq + Send + Sync + 'static>(_: &T) {}
    let one = schedule("0 0 15W * *", UTC);
    is_shared::<Schedule>(&one);
    is_shared::<CronExpression>(&one.cron);
    assert_eq!(one, one.clone());
    assert_ne!(one.cron, cron("0 0 16W * *"));
    let after = at("2026-01-01T00:00:00Z");
    assert_eq!(one.next_after(after), Some(after + TimeDelta::days(14)));
}
