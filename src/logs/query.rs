//! Which lines are asked for.

use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, VersionId};
use jobber_actors::ports::{LogLevel, OutputStream};

use super::cursor::LogCursor;

/// The last moment that anything is looked for: the end of the year 9999, as RFC 3339 goes no further.
const END_OF_TIME: DateTime<Utc> =
    DateTime::from_timestamp(253_402_300_799, 999_999_000).expect("it is a time");

/// Which lines to read, and from where on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Only lines after this one, those next to it.
    pub after: Option<LogCursor>,
    /// Only lines before this one, those next to it. With `after` it bounds the other side.
    pub before: Option<LogCursor>,
    /// Most lines.
    pub limit: u16,
    /// What the lines must be like.
    pub filter: LogFilter,
}

/// What lines must be like. Nothing given lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of this invocation.
    pub invocation: Option<InvocationId>,
    /// Of this version.
    pub version: Option<VersionId>,
    /// Written there.
    pub stream: Option<OutputStream>,
    /// Of this level or a worse one.
    pub level: Option<LogLevel>,
    /// Written at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Written before this moment.
    pub to: Option<DateTime<Utc>>,
    /// The message has this in it. A to Z are found in either case.
    pub text: Option<String>,
}

/// The lines between two places; the places themselves are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Lines after this.
    pub above: LogCursor,
    /// Lines before this.
    pub below: LogCursor,
}

impl LogQuery {
    /// Whether the oldest lines of the span are meant, and not the newest.
    #[must_use]
    pub const fn is_forward(&self) -> bool {
        self.after.is_some()
    }

    /// Where lines are looked for.
    #[must_use]
    pub fn span(&self) -> Span {
        let least = LogCursor::at(DateTime::UNIX_EPOCH);
        let most = LogCursor::at(END_OF_TIME);
        let moment = |time: Option<DateTime<Utc>>| time.map(LogCursor::at);
        let above = self.after.max(moment(self.filter.from)).unwrap_or(least);
        let below = [self.before, moment(self.filter.to)].into_iter().flatten().min();
        Span {
            above: above.clamp(least, most),
            below: below.unwrap_or(most).clamp(least, most),
        }
    }
}

impl LogFilter {
    /// The levels that are let through, if not all are.
    #[must_use]
    pub fn levels(&self) -> Option<Vec<&'static str>> {
        let least = self.level.filter(|level| *level != LogLevel::Debug)?;
        let levels = LogLevel::ALL.into_iter().filter(|level| *level >= least);
        Some(levels.map(LogLevel::name).collect())
    }
}

impl Span {
    /// Whether nothing can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.above >= self.below
    }

    /// What of it is before a moment, and what is from that moment on.
    #[must_use]
    pub fn parted(self, moment: DateTime<Utc>) -> (Self, Self) {
        let moment = LogCursor::at(moment);
        let older = Self {
            below: self.below.min(moment),
            ..self
        };
        // Lines have sequences from 1 up: nothing is between a moment and its first line.
        let newer = Self {
            above: self.above.max(moment),
            ..self
        };
        (older, newer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn place(second: i64, sequence: i64) -> LogCursor {
        let time = moment(second);
        LogCursor { time, sequence }
    }

    #[test]
    fn a_span_is_what_places_and_times_have_in_common() {
        let all = LogQuery::default().span();
        assert!(!all.is_empty());
        assert_eq!(all.above, LogCursor::at(DateTime::UNIX_EPOCH));
        let query = LogQuery {
            after: Some(place(10, 7)),
            before: Some(place(20, 3)),
            filter: LogFilter {
                from: Some(moment(10)),
                to: Some(moment(20)),
                ..LogFilter::default()
            },
            ..LogQuery::default()
        };
        let span = query.span();
        assert_eq!((span.above, span.below), (place(10, 7), place(20, 0)));
        assert!(query.is_forward());
        let nothing = LogQuery {
            after: Some(place(30, 0)),
            ..query
        };
        assert!(nothing.span().is_empty());
    }

    #[test]
    fn a_span_is_parted_so_that_each_line_is_in_one_part() {
        let span = LogQuery {
            after: Some(place(10, 7)),
            before: Some(place(20, 3)),
            ..LogQuery::default()
        };
        let span = span.span();
        let (older, newer) = span.parted(moment(15));
        assert_eq!((older.above, older.below), (place(10, 7), place(15, 0)));
        assert_eq!((newer.above, newer.below), (place(15, 0), place(20, 3)));
        // At an edge: lines of the place's own moment stay where they are.
        let (older, newer) = span.parted(moment(10));
        assert!(older.is_empty());
        assert_eq!(newer, span);
        let (older, newer) = span.parted(moment(20));
        assert_eq!(
            (older.below, newer.above, newer.below),
            (place(20, 0), place(20, 0), place(20, 3))
        );
    }

    #[test]
    fn places_beyond_what_a_database_can_hold_are_the_ends_of_time() {
        let far = "-8000000000000000000.1".parse().unwrap();
        let query = |after, before| LogQuery {
            after,
            before,
            ..LogQuery::default()
        };
        assert_eq!(query(Some(far), None).span(), LogQuery::default().span());
        assert!(query(None, Some(far)).span().is_empty());
    }

    #[test]
    fn a_level_lets_worse_ones_through() {
        let filter = |level| LogFilter {
            level,
            ..LogFilter::default()
        };
        assert_eq!(filter(Some(LogLevel::Warn)).levels(), Some(vec!["warn", "error"]));
        assert_eq!(filter(Some(LogLevel::Debug)).levels(), None);
        assert_eq!(filter(None).levels(), None);
    }
}
