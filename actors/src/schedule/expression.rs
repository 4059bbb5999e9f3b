//! A cron expression after its text has been understood.

use std::fmt;
use std::panic::catch_unwind;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::parser::{CronError, CronFault, parse};
use super::values::Values;

/// A valid cron expression that has at least one instant.
#[derive(Clone, PartialEq, Eq)]
pub struct CronExpression {
    pub(super) text: String,
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

pub(super) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl CronExpression {
    /// Reads an expression of five fields (minute, hour, day of month, month, day of week), of six (second first), or an alias
    /// such as `@daily`.
    ///
    /// # Errors
    /// [`CronError`] with the position of the fault; also for an expression that has no instant (30 February).
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let expression = parse(text)?;
        let normalised = expression.normalised();
        // saffron is known to panic on some inputs. Normalised text avoids the known ones.
        let fires = catch_unwind(|| normalised.parse::<saffron::Cron>().map(|cron| cron.any()));
        match fires {
            Ok(Ok(true)) => Ok(expression),
            Ok(Ok(false)) => Err(CronError {
                position: 0,
                fault: CronFault::Never,
            }),
            Ok(Err(_)) | Err(_) => Err(CronError {
                position: 0,
                fault: CronFault::NotComputable,
            }),
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The expression without seconds in its plainest form: five fields with rising ranges, months as numbers, weekdays by
    /// name, `*` for what is not restricted.
    #[must_use]
    pub fn normalised(&self) -> String {
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

impl FromStr for CronExpression {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CronExpression({:?})", self.text)
    }
}

impl Serialize for CronExpression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
