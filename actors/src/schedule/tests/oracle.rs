//! Instants against a second-by-second reading of the rules.

use chrono::{DateTime, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::model::{Model, daily_expressions, expressions};
use super::{at, schedule};
use crate::schedule::{CronExpression, CronFault};

/// What the zone's clock shows at an instant. Both are in seconds since 1970.
fn clock(zone: Tz, instant: i64) -> i64 {
    let utc = DateTime::from_timestamp(instant, 0).expect("a date").naive_utc();
    instant + i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}

/// The instants after `from`, up to and with `until`, worked out from what the clock shows at each second and had shown before.
/// The clock must not have been put back shortly before `from`.
fn slowly(model: &Model, zone: Tz, from: i64, until: i64) -> Vec<DateTime<Utc>> {
    let every_hour = (0..24).all(|hour| model.hours.contains(hour));
    let mut found = Vec::new();
    let mut last = clock(zone, from);
    let mut highest = last;
    for instant in from + 1..=until {
        let now = clock(zone, instant);
        // Due is what the clock shows, or what it has never shown before, with all that it has just left out.
        let first = if !every_hour {
            highest + 1
        } else if now <= last || (now - last - 1) % 3_600 == 0 {
            now
        } else {
            last + 1
        };
        if (first..=now).any(|time| model.means(time)) {
            found.push(DateTime::from_timestamp(instant, 0).expect("a date"));
        }
        last = now;
        highest = highest.max(now);
    }
    found
}

/// Compares all instants of a span, and the next instant from some points inside of it.
fn compare(
    model: &Model,
    zone: Tz,
    middle: DateTime<Utc>,
    reach: TimeDelta,
    points: &[Index],
) -> Result<(), TestCaseError> {
    let (from, until) = (middle - reach, middle + reach);
    let expected = slowly(model, zone, from.timestamp(), until.timestamp());
    let schedule = schedule(&model.text, zone);
    let found: Vec<DateTime<Utc>> = schedule.between(from, until).collect();
    prop_assert_eq!(&found, &expected, "{} in {} around {}", &model.text, zone, middle);
    for point in points {
        let seconds = i64::try_from(point.index(usize::try_from(2 * reach.num_seconds()).expect("small")))
            .expect("small");
        let start = from + TimeDelta::seconds(seconds) + TimeDelta::milliseconds(seconds % 3);
        let next = schedule.next_after(start).filter(|next| *next <= until);
        let expected = expected.iter().find(|instant| **instant > start).copied();
        prop_assert_eq!(next, expected, "{} in {} after {}", &model.text, zone, start);
    }
    Ok(())
}

/// When some clock changed, and how many hours around it are of interest.
const CHANGES: [(Tz, &str, i64); 24] = [
    (Tz::Europe__Berlin, "2025-03-30T01:00:00Z", 4),
    (Tz::Europe__Berlin, "2025-10-26T01:00:00Z", 4),
    (Tz::America__New_York, "2026-03-08T07:00:00Z", 4),
    (Tz::America__New_York, "2026-11-01T06:00:00Z", 4),
    (Tz::Europe__Dublin, "2026-10-25T01:00:00Z", 4),
    (Tz::Antarctica__Troll, "2026-03-29T01:00:00Z", 5),
    (Tz::Antarctica__Troll, "2026-10-25T01:00:00Z", 5),
    (Tz::Australia__Lord_Howe, "2024-10-05T15:30:00Z", 4),
    (Tz::Australia__Lord_Howe, "2025-04-05T15:00:00Z", 4),
    (Tz::America__Sao_Paulo, "2018-11-04T03:00:00Z", 4),
    (Tz::America__Sao_Paulo, "2018-02-18T02:00:00Z", 4),
    (Tz::Africa__Cairo, "2024-04-25T22:00:00Z", 4),
    (Tz::Africa__Cairo, "2024-10-31T21:00:00Z", 4),
    (Tz::America__St_Johns, "2006-04-02T03:31:00Z", 4),
    (Tz::America__St_Johns, "2006-10-29T02:31:00Z", 4),
    (Tz::Asia__Pyongyang, "2018-05-04T15:00:00Z", 4),
    (Tz::Asia__Kathmandu, "1985-12-31T18:30:00Z", 3),
    (Tz::Asia__Singapore, "1942-02-15T16:30:00Z", 4),
    (Tz::Europe__Berlin, "1893-03-31T23:06:32Z", 3),
    (Tz::Africa__Monrovia, "1972-01-07T00:44:30Z", 3),
    (Tz::Pacific__Apia, "2011-12-30T10:00:00Z", 30),
    (Tz::Pacific__Kwajalein, "1993-08-21T12:00:00Z", 30),
    (Tz::Asia__Manila, "1844-12-31T15:56:08Z", 30),
    (Tz::America__Juneau, "1867-10-19T00:31:13Z", 30),
];

#[test]
fn the_clocks_did_change_then() {
    for (zone, text, _) in CHANGES {
        let instant = at(text).timestamp();
        let shown = clock(zone, instant) - clock(zone, instant - 1);
        assert_ne!(shown, 1, "{zone} {text}");
    }
}

/// A moment in the year at which the zone's clock changes, or any.
fn change_in(zone: Tz, year: i32, any: i64) -> DateTime<Utc> {
    let start = Utc
        .with_ymd_and_hms(year, 1, 1, 0, 0, 0)
        .single()
        .expect("a date");
    let offset = |day: i64| {
        let instant = (start + TimeDelta::days(day)).timestamp();
        clock(zone, instant) - instant
    };
    let turned = (0..365)
        .map(|day| (day + any) % 365)
        .find(|day| offset(*day) != offset(day + 1));
    start + TimeDelta::days(turned.unwrap_or(any)) + TimeDelta::hours(12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn instants_around_a_change_of_the_clock_are_those_of_the_rules(
        model in daily_expressions(), (zone, moment, hours) in select(CHANGES[..20].to_vec()), points: [Index; 4],
    ) {
        compare(&model, zone, at(moment), TimeDelta::hours(hours), &points)?;
    }

    #[test]
    fn days_are_those_of_the_definition(model in expressions(), day in -20_000..80_000i64) {
        let start = at("1970-01-01T00:00:00Z") + TimeDelta::days(day);
        let days = (0..9 * 366).map(|day| start.date_naive() + TimeDelta::days(day));
        let meant: Vec<NaiveDate> = days.filter(|date| model.means_day(*date)).take(5).collect();
        match CronExpression::parse(&model.text) {
            Ok(_) => {
                let schedule = schedule(&model.text, Tz::UTC);
                let times = || model.hours.iter().flat_map(|hour| {
                    let minutes = model.minutes.iter();
                    minutes.flat_map(move |minute| model.seconds.iter().map(move |second| (hour, minute, second)))
                });
                let expected = meant.iter().flat_map(|date| times().map(|(hour, minute, second)| {
                    let time = NaiveTime::from_hms_opt(hour.into(), minute.into(), second.into());
                    date.and_time(time.expect("a time")).and_utc()
                }));
                let expected: Vec<DateTime<Utc>> = expected.take(100).collect();
                let found: Vec<_> = schedule.instants_after(start - TimeDelta::nanoseconds(1)).take(expected.len()).collect();
                prop_assert_eq!(found, expected, "{}", &model.text);
                // From the end of a day on it is the next day's first.
                for days in meant.windows(2) {
                    let next = schedule.next_after(at(&format!("{}T23:59:59Z", days[0])));
                    prop_assert_eq!(next.map(|next| next.date_naive()), Some(days[1]), "{}", &model.text);
                }
            }
            Err(error) => {
                prop_assert_eq!(error.fault, CronFault::Never, "{}", &model.text);
                prop_assert_eq!(meant, [], "{}", &model.text);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn also_where_a_whole_day_is_missing_or_comes_twice(
        model in daily_expressions(), (zone, moment, hours) in select(CHANGES[20..].to_vec()), points: [Index; 4],
    ) {
        compare(&model, zone, at(moment), TimeDelta::hours(hours), &points)?;
    }

    #[test]
    fn also_in_any_zone_and_year(
        model in daily_expressions(), zone in select(&TZ_VARIANTS[..]), year in 1880..2101i32, any in 0..365i64, points: [Index; 4],
    ) {
        compare(&model, zone, change_in(zone, year, any), TimeDelta::hours(16), &points)?;
    }

    #[test]
    fn also_seen_from_far_away(
        mut model in daily_expressions(), (zone, moment, hours) in select(CHANGES.to_vec()), days in 3..300i64, side in 0..3usize,
    ) {
        // On the day of the change only, which is the day before it, the day that it leaves out, or the day after.
        let change = at(moment).timestamp();
        let shown = [clock(zone, change - 1), clock(zone, change - 1) + 1, clock(zone, change)];
        let day = shown.map(|shown| DateTime::from_timestamp(shown, 0).expect("a date"))[side];
        model.restrict_to(day.date_naive());
        let reach = (hours + 28) * 3_600;
        let expected = slowly(&model, zone, change - reach, change + reach).first().copied();
        let start = at(moment) - TimeDelta::days(days);
        let next = schedule(&model.text, zone).next_after(start).filter(|next| next.timestamp() <= change + reach);
        prop_assert_eq!(next, expected, "{} in {} after {}", &model.text, zone, start);
    }

    #[test]
    fn also_where_days_are_restricted(
        model in expressions(), (zone, moment, _) in select(CHANGES.to_vec()), points: [Index; 4],
    ) {
        prop_assume!(CronExpression::parse(&model.text).is_ok());
        compare(&model, zone, at(moment), TimeDelta::hours(30), &points)?;
    }
}
