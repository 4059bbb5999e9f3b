//! Which stretches of time are asked for, one after the other.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::position::{nanosecond_at, nanosecond_of};
use crate::logs::{LogCursor, LogQuery, Span};

/// Loki answers for 721 hours at once, unless its operator says otherwise.
const WINDOW: i64 = 30 * 24 * 3600 * 1_000_000_000;
/// Stretches that one question is parted into at most: five years.
const MOST_WINDOWS: usize = 61;
/// Loki takes lines that are so far ahead of its clock.
const AHEAD: TimeDelta = TimeDelta::minutes(10);

/// From a nanosecond up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// The span that is meant: when nothing says since when, as far back as the operator wants.
pub(super) fn bounded(query: &LogQuery, look_back: Duration, now: DateTime<Utc>) -> Span {
    let Span { above, below } = query.span();
    let below = below.min(LogCursor::at(now + AHEAD));
    if above > LogCursor::at(DateTime::UNIX_EPOCH) {
        return Span { above, below };
    }
    let back = TimeDelta::from_std(look_back).unwrap_or(TimeDelta::MAX);
    let from = below.time.min(now).checked_sub_signed(back);
    Span {
        above: above.max(LogCursor::at(from.unwrap_or(DateTime::UNIX_EPOCH))),
        below,
    }
}

/// The windows of a span, in the order in which they are asked for.
pub(super) fn windows(span: Span, forward: bool) -> impl Iterator<Item = Window> {
    let first = nanosecond_of(span.above);
    // The place itself may share its nanosecond with lines before it; that of a moment has none.
    let last = match span.below.sequence {
        0 => nanosecond_at(span.below.time),
        _ => nanosecond_of(span.below).saturating_add(1),
    };
    let mut rest = Window {
        start: first,
        end: last,
    };
    std::iter::from_fn(move || {
        if rest.start >= rest.end {
            return None;
        }
        let mut window = rest;
        if forward {
            window.end = rest.end.min(rest.start.saturating_add(WINDOW));
            rest.start = window.end;
        } else {
            window.start = rest.start.max(rest.end.saturating_sub(WINDOW));
            rest.end = window.start;
        }
        Some(window)
    })
    .take(MOST_WINDOWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn moment(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(hour * HOUR)
    }

    fn span(above: i64, below: i64) -> Span {
        Span {
            above: LogCursor::at(moment(above)),
            below: LogCursor::at(moment(below)),
        }
    }

    #[test]
    fn a_long_span_is_parted_in_its_direction() {
        let hours = |forward| {
            windows(span(100, 1_600), forward)
                .map(|window| (window.start / HOUR, window.end / HOUR))
                .collect::<Vec<_>>()
        };
        assert_eq!(hours(true), [(100, 820), (820, 1_540), (1_540, 1_600)]);
        assert_eq!(hours(false), [(880, 1_600), (160, 880), (100, 160)]);
        assert_eq!(windows(span(5, 5), true).count(), 0);
        assert_eq!(windows(span(1, 100_000), true).count(), MOST_WINDOWS);
    }

    #[test]
    fn the_nanosecond_of_a_line_is_looked_at_for_others() {
        let line = LogCursor {
            time: moment(10),
            sequence: (8 << 32) | 3,
        };
        let until = Span {
            below: line,
            ..span(1, 10)
        };
        assert_eq!(windows(until, true).next().unwrap().end, 10 * HOUR + 8);
        let since = Span {
            above: line,
            ..span(1, 20)
        };
        assert_eq!(windows(since, true).next().unwrap().start, 10 * HOUR + 7);
    }

    #[test]
    fn what_says_nothing_of_since_when_looks_back_so_far() {
        let now = moment(1_000);
        let day = Duration::from_secs(86_400);
        let newest = bounded(&LogQuery::default(), day, now);
        assert_eq!(newest.above, LogCursor::at(moment(976)));
        assert_eq!(newest.below, LogCursor::at(now + AHEAD));
        let before = LogQuery {
            before: Some(LogCursor::at(moment(500))),
            ..LogQuery::default()
        };
        assert_eq!(bounded(&before, day, now), span(476, 500));
        let after = LogQuery {
            after: Some(LogCursor::at(moment(2))),
            ..LogQuery::default()
        };
        assert_eq!(bounded(&after, day, now).above, LogCursor::at(moment(2)));
    }
}
