//! Times, sizes and foreign text, as people read and write them. No I/O.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

/// Text from outside: control characters are shown instead of obeyed. Colours may stay where they are wanted.
pub(super) fn printable(text: &str, colours: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if colours && let Some(length) = colour_sequence(rest) {
            shown.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        match character {
            '\t' => shown.push('\t'),
            character if character.is_control() => shown.extend(character.escape_default()),
            // These reorder what is around them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
        rest = &rest[character.len_utf8()..];
    }
    shown
}

/// The length of an escape sequence at the beginning that does nothing but change colours.
fn colour_sequence(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|character: char| !character.is_ascii_digit() && character != ';')?;
    parameters[end..]
        .starts_with('m')
        .then_some("\u{1b}[".len() + end + 1)
}

/// How long ago a moment was, in its largest unit.
pub(super) fn ago(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - moment).num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3_600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// [`ago`] of a member of a JSON object, or `-`.
pub(super) fn ago_of(object: &Value, name: &str, now: DateTime<Utc>) -> String {
    moment(object, name).map_or_else(|| "-".to_owned(), |moment| ago(moment, now))
}

/// A member that is a moment.
pub(super) fn moment(object: &Value, name: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(object[name].as_str()?)
        .ok()
        .map(|moment| moment.to_utc())
}

/// A member as text: `-` where there is none.
pub(super) fn text(object: &Value, name: &str) -> String {
    match &object[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Milliseconds, with as many digits as are of interest.
pub(super) fn milliseconds(count: Option<f64>) -> String {
    match count {
        None => "-".to_owned(),
        Some(count) if count < 10.0 => format!("{count:.1} ms"),
        Some(count) if count < 10_000.0 => format!("{count:.0} ms"),
        Some(count) => format!("{:.1} s", count / 1_000.0),
    }
}

/// Bytes in their largest unit.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut whole = count;
    let mut below = 0;
    let mut unit = 0;
    while whole >= 1_024 && unit + 1 < UNITS.len() {
        below = whole % 1_024;
        whole /= 1_024;
        unit += 1;
    }
    if unit == 0 {
        format!("{whole} B")
    } else {
        format!("{whole}.{} {}", below * 10 / 1_024, UNITS[unit])
    }
}

/// A moment as people give it: a time, or how long ago it was (`90s`, `15m`, `2h`, `7d`).
pub(super) fn given_moment(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    span(text)
        .and_then(|span| now.checked_sub_signed(span))
        .ok_or_else(|| {
            format!("{text:?} is neither a time (2026-01-31T12:00:00Z) nor how long ago (90s, 15m, 2h, 7d)")
        })
}

/// A time to come: a time, or how long from now.
pub(super) fn given_end(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    span(text)
        .and_then(|span| now.checked_add_signed(span))
        .ok_or_else(|| {
            format!("{text:?} is neither a time (2026-01-31T12:00:00Z) nor how long from now (12h, 30d)")
        })
}

/// A reader of whole numbers in a range, for options: what does not fit is told with what would.
pub(super) fn whole<T>(allowed: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + fmt::Display + Clone,
{
    move |text| {
        let number = text.parse::<T>().ok().filter(|number| allowed.contains(number));
        let (least, most) = (allowed.start(), allowed.end());
        number.ok_or_else(|| format!("it must be a whole number from {least} to {most}"))
    }
}

fn span(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().next_back()?;
    let count: i64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .ok()
        .filter(|count| *count >= 0)?;
    match unit {
        's' => TimeDelta::try_seconds(count),
        'm' => TimeDelta::try_minutes(count),
        'h' => TimeDelta::try_hours(count),
        'd' => TimeDelta::try_days(count),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_stay_where_they_are_wanted_and_nothing_else_does() {
        let text = "\u{1b}[31mred\u{1b}[0m \u{1b}[2J \u{1b}]0;title\u{7}";
        assert_eq!(
            printable(text, true),
            "\u{1b}[31mred\u{1b}[0m \\u{1b}[2J \\u{1b}]0;title\\u{7}"
        );
        assert!(!printable(text, false).contains('\u{1b}'));
    }

    proptest! {
        #[test]
        fn nothing_that_is_printable_has_a_control_character(text in ".*") {
            prop_assert!(!printable(&text, false).chars().any(|c| c.is_control() && c != '\t'));
        }

        #[test]
        fn any_text_is_a_moment_or_refused(text in ".{0,12}") {
            let _either = (given_moment(&text, Utc::now()), given_end(&text, Utc::now()));
        }
    }

    #[test]
    fn moments_are_times_or_spans() {
        let now = DateTime::parse_from_rfc3339("2026-01-31T12:00:00Z")
            .unwrap()
            .to_utc();
        let given = |text| given_moment(text, now).map(|moment| moment.to_rfc3339());
        assert_eq!(given("15m").unwrap(), "2026-01-31T11:45:00+00:00");
        assert_eq!(
            given("2026-01-01T00:00:00+01:00").unwrap(),
            "2025-12-31T23:00:00+00:00"
        );
        assert_eq!(
            given_end("1d", now).unwrap().to_rfc3339(),
            "2026-02-01T12:00:00+00:00"
        );
        for wrong in ["", "m", "-5m", "5w", "999999999999999d", "ü"] {
            assert!(given(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_and_durations_are_short() {
        assert_eq!(
            (bytes(12), bytes(1_536), bytes(5 << 30)),
            ("12 B".into(), "1.5 KiB".into(), "5.0 GiB".into())
        );
        assert_eq!(milliseconds(Some(1.25)), "1.2 ms");
        assert_eq!(milliseconds(Some(12_340.0)), "12.3 s");
        let now = Utc::now();
        assert_eq!(ago(now - TimeDelta::minutes(90), now), "1h ago");
        assert_eq!(ago(now + TimeDelta::minutes(1), now), "0s ago");
    }

    #[test]
    fn numbers_of_options_are_told_with_their_range() {
        let port = whole(1_u16..=65_535);
        assert_eq!(port("3000"), Ok(3000));
        for wrong in ["0", "65536", "-1", "many", ""] {
            let told = port(wrong).unwrap_err();
            assert_eq!(told, "it must be a whole number from 1 to 65535", "{wrong}");
        }
    }
}
