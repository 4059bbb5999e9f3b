//! What the fields of a cron expression mean.

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
    /// Days that a month must have for one of these to exist.
    fn least_days(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Values(days) => days.iter().next().unwrap_or_default(),
            Self::Last(before) | Self::LastWeekday(before) => before + 1,
            Self::NearestWeekday(day) => day,
        }
    }
}
