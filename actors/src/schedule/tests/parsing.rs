use proptest::prelude::*;

use super::model::field;
use super::{cron, set};
use crate::schedule::{CronError, CronExpression, CronFault, DaysOfMonth, DaysOfWeek, Fields, parse_zone};

fn fields(text: &str) -> Fields {
    *cron(text).fields()
}

fn refusal(text: &str) -> CronError {
    CronExpression::parse(text).expect_err(text)
}

#[test]
fn five_fields_fire_at_second_zero_and_six_begin_with_the_second() {
    let five = fields("*/15 8-10 * * *");
    assert_eq!(five.seconds, set([0]));
    assert_eq!(five.minutes, set([0, 15, 30, 45]));
    assert_eq!(five.hours, set([8, 9, 10]));
    let six = fields("10,20 */15 8-10 * * *");
    assert_eq!(six.seconds, set([10, 20]));
    assert_eq!(six.normalised(), five.normalised());
}

#[test]
fn aliases_stand_for_their_expressions() {
    for (alias, meaning) in [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@Daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ] {
        assert_eq!(cron(alias).normalised(), meaning);
        assert_eq!(cron(alias).as_str(), alias);
    }
    assert!(matches!(refusal("@reboot").fault, CronFault::Alias(_)));
    assert!(matches!(refusal("@daily 5").fault, CronFault::FieldCount(2)));
}

#[test]
fn sunday_is_0_and_7_and_has_a_name() {
    for text in ["0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * SUN"] {
        assert_eq!(fields(text).weekdays, DaysOfWeek::Values(set([0])), "{text}");
    }
    assert_eq!(fields("0 0 * * 5-7").weekdays, DaysOfWeek::Values(set([0, 5, 6])));
    assert_eq!(fields("0 0 * * 7-2").weekdays, DaysOfWeek::Values(set([0, 1, 2])));
    assert_eq!(fields("0 0 * * 0-7").weekdays, DaysOfWeek::Values(set(0..7)));
    assert_eq!(
        fields("0 0 * * 1/2").weekdays,
        DaysOfWeek::Values(set([1, 3, 5, 0]))
    );
    assert_eq!(
        fields("0 0 * * */2").weekdays,
        DaysOfWeek::Values(set([0, 2, 4, 6]))
    );
    assert_eq!(fields("0 0 * * 7/2").weekdays, DaysOfWeek::Values(set([0])));
    assert_eq!(
        fields("0 0 * * FRI-MON").weekdays,
        DaysOfWeek::Values(set([0, 1, 5, 6]))
    );
    // What saffron gets to see does not depend on which number Sunday has.
    assert_eq!(cron("0 0 * * 1-5").normalised(), "0 0 * * MON-FRI");
}

#[test]
fn months_and_weekdays_have_names_of_three_letters_and_whole_ones() {
    assert_eq!(
        fields("0 0 1 jan,March,SEPTEMBER-nov *").months,
        set([1, 3, 9, 10, 11])
    );
    assert_eq!(fields("0 0 1 May *").months, set([5]));
    assert_eq!(
        fields("0 0 * * Monday-wed,SATURDAY").weekdays,
        DaysOfWeek::Values(set([1, 2, 3, 6]))
    );
    assert_eq!(fields("0 0 * * FridayL").weekdays, DaysOfWeek::Last(5));
    assert_eq!(
        fields("0 0 * * Sunday#1").weekdays,
        DaysOfWeek::Nth { weekday: 0, nth: 1 }
    );
}

#[test]
fn ranges_wrap_and_steps_count_through_the_wrap() {
    assert_eq!(fields("0 22-2 * * *").hours, set([22, 23, 0, 1, 2]));
    assert_eq!(fields("0 0 1 10-2/3 *").months, set([10, 1]));
    assert_eq!(fields("0 0 1 NOV-FEB *").months, set([11, 12, 1, 2]));
    assert_eq!(fields("5/20 * * * *").minutes, set([5, 25, 45]));
    assert_eq!(cron("0 22-2 * * *").normalised(), "0 0-2,22,23 * * *");
}

#[test]
fn days_can_be_counted_from_the_end_and_by_working_days() {
    for (field, meaning) in [
        ("L", DaysOfMonth::Last(0)),
        ("l-3", DaysOfMonth::Last(3)),
        ("LW", DaysOfMonth::LastWeekday(0)),
        ("L-3W", DaysOfMonth::LastWeekday(3)),
        ("15W", DaysOfMonth::NearestWeekday(15)),
        ("?", DaysOfMonth::Any),
        ("*/1", DaysOfMonth::Any),
        ("*/10", DaysOfMonth::Values(set([1, 11, 21, 31]))),
    ] {
        assert_eq!(fields(&format!("0 0 {field} * *")).days, meaning, "{field}");
    }
    for (field, meaning) in [
        ("L", DaysOfWeek::Values(set([6]))),
        ("5L", DaysOfWeek::Last(5)),
        ("7l", DaysOfWeek::Last(0)),
        ("FRIL", DaysOfWeek::Last(5)),
        ("FRI#2", DaysOfWeek::Nth { weekday: 5, nth: 2 }),
        ("7#1", DaysOfWeek::Nth { weekday: 0, nth: 1 }),
        ("?", DaysOfWeek::Any),
    ] {
        assert_eq!(fields(&format!("0 0 ? * {field}")).weekdays, meaning, "{field}");
    }
}

#[test]
fn faults_are_named_with_their_position() {
    for (text, position, part) in [
        ("", 0, "not 0"),
        ("* * * *", 7, "not 4"),
        ("0 0 0 1 1 * 2030", 12, "not 7"),
        ("60 * * * *", 0, "minute is between 0 and 59"),
        ("61 * * * * *", 0, "second is between 0 and 59"),
        ("0 5,24 * * *", 4, "hour is between 0 and 23"),
        ("0 0 0 * *", 4, "day of the month is between 1 and 31"),
        ("0 0 * 13 *", 6, "month is between 1 and 12"),
        ("0 0 * * 8", 8, "day of the week is between 0 and 7"),
        ("0 0 *,99 * *", 6, "day of the month is between 1 and 31"),
        ("0 0 1-32 * *", 6, "day of the month is between 1 and 31"),
        ("*/0 * * * *", 2, "step for the minute is between 1 and 59"),
        ("*/60 * * * *", 2, "step for the minute is between 1 and 59"),
        ("0  */x * * *", 5, "`x` is not a value"),
        ("a/b * * * *", 0, "`a` is not a value"),
        ("1,,2 * * * *", 2, "value for the minute is missing"),
        ("1, * * * *", 2, "value for the minute is missing"),
        ("-5 * * * *", 0, "value for the minute is missing"),
        ("5- * * * *", 2, "value for the minute is missing"),
        ("5/ * * * *", 2, "value for the minute is missing"),
        ("/5 * * * *", 0, "value for the minute is missing"),
        ("+5 * * * *", 0, "`+5` is not a value"),
        ("0 0 * MAI *", 6, "`MAI` is not a value"),
        ("0 0 * * MO", 8, "`MO` is not a value"),
        ("? * * * *", 0, "`?` is not a value"),
        ("0 ? * * *", 2, "`?` is not a value"),
        ("0 L * * *", 2, "`L` is not a value"),
        ("0 0 * L *", 6, "`L` is not a value"),
        ("0 0 1,L * *", 6, "stand alone"),
        ("0 0 L,15 * *", 4, "stand alone"),
        ("0 0 1W,15W * *", 4, "stand alone"),
        ("0 0 * * 5#2,1", 8, "stand alone"),
        ("0 0 * * 1,FRIL,2", 10, "stand alone"),
        ("0 0 * * 5#6", 10, "week of the month is between 1 and 5"),
        ("0 0 * * 8#1", 8, "day of the week is between 0 and 7"),
        ("0 0 * * FRI#", 12, "value for the week of the month is missing"),
        ("0 0 * * #2", 8, "value for the day of the week is missing"),
        ("0 0 * * FRI-1L", 8, "`FRI-1L` is not a value"),
        ("0 0 * * L-1", 8, "`L` is not a value"),
        ("0 0 5L * *", 4, "`5L` is not a value"),
        ("0 0 L-31 * *", 4, "`L-31` is not a value"),
        ("0 0 L-0 * *", 4, "`L-0` is not a value"),
        ("0 0 L-+3 * *", 4, "`L-+3` is not a value"),
        ("0 0 L3 * *", 4, "`L3` is not a value"),
        ("0 0 W * *", 4, "`W` is not a value"),
        ("0 0 1-15W * *", 4, "`1-15W` is not a value"),
        ("0 0 32W * *", 4, "day of the month is between 1 and 31"),
        ("0 0 30 2 *", 4, "never happens"),
        ("0 0 31 4,6,9,11 *", 4, "never happens"),
        ("0 0 0 31W FEB,APR ?", 6, "never happens"),
        ("0 0 L-30W 6 *", 4, "never happens"),
    ] {
        let error = refusal(text);
        assert_eq!(error.position, position, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn what_other_programs_understand_beyond_that_is_refused_where_it_stands() {
    for (text, position, part) in [
        // Quartz has a year, AWS has it after five fields.
        ("0 0 12 1 1 ? 2027-2030", 13, "not 7"),
        (
            "0 12 * * ? 2027",
            9,
            "`?` is not a value, range or step for the month",
        ),
        ("0 10 1 1 * 2027", 11, "day of the week is between 0 and 7"),
        ("@reboot", 0, "`@reboot` is not an alias"),
        ("  @every 5m", 2, "`@every` is not an alias"),
        // Jenkins, systemd, croner, a crontab's own lines.
        ("H H * * *", 0, "`H` is not a value"),
        ("0 0 1..5 * *", 4, "`1..5` is not a value"),
        (
            "0 0 * * 5#L",
            10,
            "`L` is not a value, range or step for the week of the month",
        ),
        ("0 0 * * MON-FRI#2", 8, "`MON-FRI` is not"),
        ("0 0 1 * +MON", 8, "`+MON` is not a value"),
        ("TZ=UTC 0 0 * * *", 0, "`TZ=UTC` is not a value"),
        ("CRON_TZ=UTC 0 0 0 * * *", 22, "not 7"),
        ("0 0 * * * root", 10, "`root` is not a value"),
    ] {
        let error = refusal(text);
        assert_eq!(error.position, position, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn a_text_is_at_most_1024_bytes_long() {
    let long = refusal(&"1,".repeat(600));
    assert_eq!((long.position, long.fault), (1_024, CronFault::TooLong));
    // Positions count characters, not bytes.
    assert_eq!(refusal(&"é".repeat(600)).position, 512);
    assert_eq!(refusal("é é * * * x").position, 0);
    assert_eq!(refusal("0 0 * * é,é").position, 8);
}

#[test]
fn a_day_that_exists_only_in_leap_years_is_fine() {
    assert_eq!(cron("0 0 29 2 *").normalised(), "0 0 29 2 *");
}

#[test]
fn zones_are_known_by_their_iana_names_and_typos_get_a_hint() {
    assert_eq!(
        parse_zone("Europe/Berlin").expect("known"),
        chrono_tz::Europe::Berlin
    );
    assert_eq!(parse_zone("UTC").expect("known"), chrono_tz::UTC);
    let typo = parse_zone("Europe/Berlim").expect_err("unknown");
    assert_eq!(typo.nearest, Some("Europe/Berlin"));
    assert!(
        typo.to_string().contains("did you mean `Europe/Berlin`"),
        "{typo}"
    );
    assert_eq!(
        parse_zone("europe/berlin").expect_err("unknown").nearest,
        Some("Europe/Berlin")
    );
    assert_eq!(parse_zone("☃").expect_err("unknown").nearest, None);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "[0-9*?,/LW#A-Z@ -]{0,24}") {
        let _ = CronExpression::parse(&text);
    }

    #[test]
    fn lists_ranges_and_steps_stand_for_what_they_say(
        minutes in field(0, 59), hours in field(0, 23), days in field(1, 31), months in field(1, 12), weekdays in field(0, 6),
    ) {
        let text = format!("{} {} {} {} {}", minutes.0, hours.0, days.0, months.0, weekdays.0);
        let parsed = fields(&text);
        prop_assert_eq!(parsed.minutes, minutes.1);
        prop_assert_eq!(parsed.hours, hours.1);
        prop_assert_eq!(parsed.days, DaysOfMonth::Values(days.1));
        prop_assert_eq!(parsed.months, months.1);
        prop_assert_eq!(parsed.weekdays, DaysOfWeek::Values(weekdays.1));
        // The normalised text means the same, to us and to anyone who takes numbers and names at their word.
        prop_assert_eq!(fields(&parsed.normalised()), parsed);
    }
}
