//! What the fields of a cron expression mean.

use chrono::{Datelike, NaiveDate, Weekday};

use super::values::Values;

/// The meaning of an expression: which values each of its fields allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Seconds, 0–59; only 0 for expressions of five fields.
    pub seconds: Values,
    /// Minutes, 0–59.
    pub minutes: Values,
    /// Hours, 0–23.
    pub hours: Values,
    /// Days of the month.
    pub days: DaysOfMonth,
    /// Months, 1–12.
    pub months: Values,
    /// Days of the week.
    pub weekdays: DaysOfWeek,
}

/// The field for days of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaysOfMonth {
    /// Not restricted.
    Any,
    /// These days, 1–31.
    Values(Values),
    /// `L`, `L-3`: this many days before the month's last.
    Last(u8),
    /// `LW`, `L-3W`: the working day nearest to the day this many days before the month's last.
    LastWeekday(u8),
    /// `15W`: the working day nearest to this one, in the same month.
    NearestWeekday(u8),
}

/// The field for days of the week; Sunday is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaysOfWeek {
    /// Not restricted.
    Any,
    /// These days, 0–6.
    Values(Values),
    /// `5L`, `FRIL`: the month's last such day.
    Last(u8),
    /// `5#2`, `FRI#2`: the month's nth such day.
    Nth {
        /// Which weekday, 0–6.
        weekday: u8,
        /// Which of the month, 1–5.
        nth: u8,
    },
}

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Fields {
    /// Whether the day, which is in one of the months, is one of the days.
    pub(super) fn is_day(&self, date: NaiveDate) -> bool {
        match (self.days.contains(date), self.weekdays.contains(date)) {
            (None, None) => true,
            (Some(matches), None) | (None, Some(matches)) => matches,
            (Some(of_month), Some(of_week)) => of_month || of_week,
        }
    }

    /// Whether some year has such a day in such a month.
    pub(super) fn happens(&self) -> bool {
        let longest = self.months.iter().map(|month| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        });
        self.weekdays != DaysOfWeek::Any || longest.max() >= Some(self.days.least_days())
    }

    /// The fields without seconds in their plainest form: rising ranges, months as numbers, weekdays by name, `*` for what is
    /// not restricted.
    pub(super) fn normalised(&self) -> String {
        let number = |value: u8| value.to_string();
        let weekday = |value: u8| WEEKDAYS[usize::from(value % 7)].to_owned();
        let offset = |days: u8| {
            if days == 0 {
                String::new()
            } else {
                format!("-{days}")
            }
        };
        let days = match self.days {
            DaysOfMonth::Any => "*".to_owned(),
            DaysOfMonth::Values(days) => days.to_list(number),
            DaysOfMonth::Last(before) => format!("L{}", offset(before)),
            DaysOfMonth::LastWeekday(before) => format!("L{}W", offset(before)),
            DaysOfMonth::NearestWeekday(day) => format!("{day}W"),
        };
        let weekdays = match self.weekdays {
            DaysOfWeek::Any => "*".to_owned(),
            DaysOfWeek::Values(days) => days.to_list(weekday),
            DaysOfWeek::Last(day) => format!("{}L", weekday(day)),
            DaysOfWeek::Nth { weekday: day, nth } => format!("{}#{nth}", weekday(day)),
        };
        let full = |values: Values, all: usize| {
            if values.len() == all {
                "*".to_owned()
            } else {
                values.to_list(number)
            }
        };
        let (minutes, hours, months) = (
            full(self.minutes, 60),
            full(self.hours, 24),
            full(self.months, 12),
        );
        format!("{minutes} {hours} {days} {months} {weekdays}")
    }
}

impl DaysOfMonth {
    /// Whether the day is one of these; `None` if the field does not restrict it.
    fn contains(self, date: NaiveDate) -> Option<bool> {
        let last = date.num_days_in_month();
        let day_before_last = |before: u8| last.saturating_sub(before);
        match self {
            Self::Any => None,
            Self::Values(days) => Some(u8::try_from(date.day()).is_ok_and(|day| days.contains(day))),
            Self::Last(before) => Some(date.day() == u32::from(day_before_last(before))),
            Self::LastWeekday(before) => Some(is_nearest_working_day(date, day_before_last(before))),
            Self::NearestWeekday(day) => Some(is_nearest_working_day(date, day)),
        }
    }

    /// Days that a month must have for one of these to exist.
    fn least_days(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Values(days) => days.first().unwrap_or_default(),
            Self::Last(before) | Self::LastWeekday(before) => before + 1,
            Self::NearestWeekday(day) => day,
        }
    }

    /// Whether it speaks of working days.
    pub(super) fn has_working_days(self) -> bool {
        matches!(self, Self::LastWeekday(_) | Self::NearestWeekday(_))
    }
}

impl DaysOfWeek {
    /// Whether the day is one of these; `None` if the field does not restrict it.
    fn contains(self, date: NaiveDate) -> Option<bool> {
        let is = |weekday: u8| date.weekday().num_days_from_sunday() == u32::from(weekday);
        match self {
            Self::Any => None,
            Self::Values(days) => Some(days.iter().any(is)),
            Self::Last(weekday) => Some(is(weekday) && date.day() + 7 > u32::from(date.num_days_in_month())),
            Self::Nth { weekday, nth } => Some(is(weekday) && date.day().div_ceil(7) == u32::from(nth)),
        }
    }
}

/// Whether the date is the working day (Monday to Friday) nearest to a day of its month, without leaving the month. Where the
/// month has no such day, none is.
fn is_nearest_working_day(date: NaiveDate, day: u8) -> bool {
    let Some(meant) = date.with_day(u32::from(day)) else {
        return false;
    };
    let nearest = match meant.weekday() {
        Weekday::Sat if day == 1 => day + 2,
        Weekday::Sat => day - 1,
        Weekday::Sun if day == date.num_days_in_month() => day - 2,
        Weekday::Sun => day + 1,
        _ => day,
    };
    date.day() == u32::from(nearest)
}
