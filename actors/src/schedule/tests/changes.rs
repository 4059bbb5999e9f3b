//! Clocks that are put forward and back.

use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, TZ_VARIANTS};

use super::{at, schedule, shown, shown_between};

#[test]
fn a_time_that_the_clock_leaves_out_happens_right_after_the_gap() {
    // In Berlin 02:00 to 03:00 is left out on 30 March 2025.
    assert_eq!(
        shown_between(
            &schedule("30 2 * * *", Europe::Berlin),
            "2025-03-29T00:00:00Z",
            "2025-04-01T00:00:00Z"
        ),
        [
            "2025-03-29 02:30:00 +01:00:00",
            "2025-03-30 03:00:00 +02:00:00",
            "2025-03-31 02:30:00 +02:00:00",
        ]
    );
}

#[test]
fn several_times_in_a_gap_happen_once_also_beside_a_regular_one() {
    assert_eq!(
        shown_between(
            &schedule("*/15 2 * * *", Europe::Berlin),
            "2025-03-30T00:00:00Z",
            "2025-03-31T00:00:00Z"
        ),
        ["2025-03-30 03:00:00 +02:00:00"]
    );
    assert_eq!(
        shown_between(
            &schedule("*/30 1-3 * * *", Europe::Berlin),
            "2025-03-30T00:00:00Z",
            "2025-03-30T12:00:00Z"
        ),
        [
            "2025-03-30 01:00:00 +01:00:00",
            "2025-03-30 01:30:00 +01:00:00",
            "2025-03-30 03:00:00 +02:00:00",
            "2025-03-30 03:30:00 +02:00:00",
        ]
    );
}

#[test]
fn the_end_of_a_gap_is_an_instant_only_once() {
    let schedule = schedule("30 2 * * *", Europe::Berlin);
    let end = at("2025-03-30T01:00:00Z");
    let before = end - TimeDelta::milliseconds(1);
    assert_eq!(schedule.next_after(before), Some(end));
    let after = schedule.next_after(end).expect("the next day's");
    assert_eq!(shown(&schedule, after), "2025-03-31 02:30:00 +02:00:00");
}

#[test]
fn a_time_that_the_clock_shows_twice_happens_at_its_first_showing() {
    // In Berlin 02:00 to 03:00 is shown twice on 26 October 2025.
    let once = schedule("30 2 * * *", Europe::Berlin);
    assert_eq!(
        shown_between(&once, "2025-10-25T12:00:00Z", "2025-10-27T12:00:00Z"),
        ["2025-10-26 02:30:00 +02:00:00", "2025-10-27 02:30:00 +01:00:00"]
    );
    // Also for one who asks in between, before and after the second showing.
    for instant in [
        "2025-10-26T00:30:00Z",
        "2025-10-26T01:00:00Z",
        "2025-10-26T01:29:59Z",
        "2025-10-26T01:30:00Z",
    ] {
        let next = once.next_after(at(instant)).expect("the next day's");
        assert_eq!(
            shown(&once, next),
            "2025-10-27 02:30:00 +01:00:00",
            "after {instant}"
        );
    }
    assert_eq!(
        shown_between(
            &schedule("*/30 1-3 * * *", Europe::Berlin),
            "2025-10-25T23:00:00Z",
            "2025-10-26T23:00:00Z"
        ),
        [
            "2025-10-26 01:00:00 +02:00:00",
            "2025-10-26 01:30:00 +02:00:00",
            "2025-10-26 02:00:00 +02:00:00",
            "2025-10-26 02:30:00 +02:00:00",
            "2025-10-26 03:00:00 +01:00:00",
            "2025-10-26 03:30:00 +01:00:00",
        ]
    );
}

#[test]
fn every_minute_stays_every_minute() {
    for (zone, from, until) in [
        (Europe::Berlin, "2025-03-29T00:00:00Z", "2025-03-31T00:00:00Z"),
        (Europe::Berlin, "2025-10-25T00:00:00Z", "2025-10-27T00:00:00Z"),
        (
            Australia::Lord_Howe,
            "2024-10-05T00:00:00Z",
            "2024-10-07T00:00:00Z",
        ),
        (
            Australia::Lord_Howe,
            "2025-04-05T00:00:00Z",
            "2025-04-07T00:00:00Z",
        ),
        (America::Sao_Paulo, "2018-11-03T00:00:00Z", "2018-11-05T00:00:00Z"),
        (Pacific::Apia, "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z"),
    ] {
        let minutes = schedule("* * * * *", zone);
        let mut expected = at(from);
        for instant in minutes.between(at(from), at(until)) {
            expected += TimeDelta::minutes(1);
            assert_eq!(instant, expected, "{zone}");
        }
        assert_eq!(expected, at(until), "{zone}");
    }
}

#[test]
fn every_hour_goes_by_elapsed_time_however_it_is_written() {
    for text in ["30 * * * *", "30 0-23 * * *", "30 */1 * * *", "30 12-11 * * *"] {
        let hourly = schedule(text, Europe::Berlin);
        assert_eq!(
            shown_between(&hourly, "2025-03-30T00:00:00Z", "2025-03-30T02:00:00Z"),
            ["2025-03-30 01:30:00 +01:00:00", "2025-03-30 03:30:00 +02:00:00"]
        );
        assert_eq!(
            shown_between(&hourly, "2025-10-26T00:00:00Z", "2025-10-26T02:00:00Z"),
            ["2025-10-26 02:30:00 +02:00:00", "2025-10-26 02:30:00 +01:00:00"]
        );
    }
}

#[test]
fn on_lord_howe_island_it_is_half_an_hour() {
    // 02:00 to 02:30 is left out on 6 October 2024; 01:30 to 02:00 is shown twice on 6 April 2025.
    let (spring, summer) = ("2024-10-05T14:30:00Z", "2024-10-05T16:30:00Z");
    let (autumn, winter) = ("2025-04-05T14:00:00Z", "2025-04-05T16:30:00Z");
    let zone = Australia::Lord_Howe;
    assert_eq!(
        shown_between(&schedule("10,40 2 * * *", zone), spring, summer),
        ["2024-10-06 02:30:00 +11:00:00", "2024-10-06 02:40:00 +11:00:00"]
    );
    assert_eq!(
        shown_between(&schedule("40 1 * * *", zone), autumn, winter),
        ["2025-04-06 01:40:00 +11:00:00"]
    );
    // The third hour begins in the gap, so what is due then is made up for, and only then.
    assert_eq!(
        shown_between(&schedule("0,15 * * * *", zone), spring, summer),
        [
            "2024-10-06 01:00:00 +10:30:00",
            "2024-10-06 01:15:00 +10:30:00",
            "2024-10-06 02:30:00 +11:00:00",
            "2024-10-06 03:00:00 +11:00:00",
            "2024-10-06 03:15:00 +11:00:00",
        ]
    );
    assert_eq!(
        shown_between(&schedule("40 * * * *", zone), spring, summer),
        ["2024-10-06 01:40:00 +10:30:00", "2024-10-06 02:40:00 +11:00:00"]
    );
    assert_eq!(
        shown_between(&schedule("0,40 * * * *", zone), autumn, winter),
        [
            "2025-04-06 01:00:00 +11:00:00",
            "2025-04-06 01:40:00 +11:00:00",
            "2025-04-06 01:40:00 +10:30:00",
            "2025-04-06 02:00:00 +10:30:00",
            "2025-04-06 02:40:00 +10:30:00",
        ]
    );
}

#[test]
fn midnight_can_be_missing() {
    assert_eq!(
        shown_between(
            &schedule("@daily", America::Sao_Paulo),
            "2018-11-03T00:00:00Z",
            "2018-11-06T00:00:00Z"
        ),
        [
            "2018-11-03 00:00:00 -03:00:00",
            "2018-11-04 01:00:00 -02:00:00",
            "2018-11-05 00:00:00 -02:00:00",
        ]
    );
    assert_eq!(
        shown_between(
            &schedule("0 0 * * FRI", Africa::Cairo),
            "2024-04-19T00:00:00Z",
            "2024-05-04T00:00:00Z"
        ),
        ["2024-04-26 01:00:00 +03:00:00", "2024-05-03 00:00:00 +03:00:00"]
    );
    // And be shown on two evenings' ends: 23:00 to 24:00 comes twice.
    assert_eq!(
        shown_between(
            &schedule("30 23,0 * * *", America::Sao_Paulo),
            "2018-02-17T12:00:00Z",
            "2018-02-18T12:00:00Z"
        ),
        ["2018-02-17 23:30:00 -02:00:00", "2018-02-18 00:30:00 -03:00:00"]
    );
}

#[test]
fn a_whole_day_can_be_missing_or_come_twice() {
    // Samoa had no 30 December 2011.
    let (from, until) = ("2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z");
    assert_eq!(
        shown_between(&schedule("0 9,17 * * *", Pacific::Apia), from, until),
        [
            "2011-12-29 09:00:00 -10:00:00",
            "2011-12-29 17:00:00 -10:00:00",
            "2011-12-31 00:00:00 +14:00:00",
            "2011-12-31 09:00:00 +14:00:00",
            "2011-12-31 17:00:00 +14:00:00",
            "2012-01-01 09:00:00 +14:00:00",
            "2012-01-01 17:00:00 +14:00:00",
        ]
    );
    assert_eq!(
        shown_between(&schedule("0 9 30 * *", Pacific::Apia), from, until),
        ["2011-12-31 00:00:00 +14:00:00"]
    );
    assert_eq!(
        shown_between(&schedule("0 * 30 * *", Pacific::Apia), from, until).len(),
        0
    );
    // Alaska's clocks were put back by a day at 15:33:32 on 19 October 1867.
    assert_eq!(
        shown_between(
            &schedule("0 20 * * *", America::Juneau),
            "1867-10-17T12:00:00Z",
            "1867-10-21T00:00:00Z"
        ),
        ["1867-10-18 20:00:00 +15:02:19", "1867-10-19 20:00:00 -08:57:41",]
    );
}

#[test]
fn clocks_once_had_odd_seconds() {
    // Berlin's clock went from 00:00:00 to 00:06:32 on 1 April 1893.
    let (from, until) = ("1893-03-31T22:05:00Z", "1893-03-31T23:08:30Z");
    assert_eq!(
        shown_between(&schedule("3 0 * * *", Europe::Berlin), from, until),
        ["1893-04-01 00:06:32 +01:00:00"]
    );
    assert_eq!(
        shown_between(&schedule("59,5,8 * * * *", Europe::Berlin), from, until),
        [
            "1893-03-31 22:59:00 +00:53:28",
            "1893-03-31 23:05:00 +00:53:28",
            "1893-03-31 23:08:00 +00:53:28",
            "1893-03-31 23:59:00 +00:53:28",
            "1893-04-01 00:06:32 +01:00:00",
            "1893-04-01 00:08:00 +01:00:00",
        ]
    );
    assert_eq!(
        shown_between(
            &schedule("0 0 * * *", Asia::Kathmandu),
            "1985-12-31T00:00:00Z",
            "1986-01-02T00:00:00Z"
        ),
        ["1986-01-01 00:15:00 +05:45:00", "1986-01-02 00:00:00 +05:45:00"]
    );
}

#[test]
fn changes_are_far_enough_apart_to_be_found_one_by_one() {
    // Days with a change must not follow each other: what `SPAN` rests on.
    let days = |year: i32| {
        Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0)
            .single()
            .expect("a date")
    };
    for zone in TZ_VARIANTS {
        let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
        let (mut at, mut quiet) = (days(2010), 9);
        while at < days(2045) {
            let next = at + TimeDelta::days(1);
            if offset(at) == offset(next) {
                quiet += 1;
            } else {
                assert!(quiet > 4, "{zone} changes twice around {at}");
                quiet = 0;
            }
            at = next;
        }
    }
}
