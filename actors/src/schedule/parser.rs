//! Reads the text of cron expressions.

use super::expression::{CronExpression, DaysOfMonth, DaysOfWeek, WEEKDAYS};
use super::values::Values;

/// Most bytes of an expression. A list of every minute takes 170.
const MAX_BYTES: usize = 1_024;

/// Why a text is no cron expression, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (position {position})")]
pub struct CronError {
    /// Characters before the fault.
    pub position: usize,
    /// What is wrong.
    pub fault: CronFault,
}

/// What can be wrong with a cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronFault {
    /// Other than five or six fields.
    #[error("a cron expression has 5 fields (minute hour day month weekday) or 6 (second first), not {0}")]
    FieldCount(usize),
    /// More than 1,024 bytes.
    #[error("a cron expression has at most {MAX_BYTES} bytes")]
    TooLong,
    /// `@reboot` and unknown ones.
    #[error(
        "`{0}` is not an alias; there are @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly"
    )]
    Alias(String),
    /// An item of a list that is nothing, or no value, range or step.
    #[error("`{text}` is not a value, range or step for the {field}")]
    Item {
        /// What stands there.
        text: String,
        /// The field's name.
        field: &'static str,
    },
    /// A number outside of the field's own.
    #[error("the {field} is between {first} and {last}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// The field's first value.
        first: u8,
        /// The field's last value.
        last: u8,
    },
    /// A step of 0, or one that is larger than the field.
    #[error("the step for the {field} is between 1 and {last}")]
    Step {
        /// The field's name.
        field: &'static str,
        /// The largest step that makes sense.
        last: u8,
    },
    /// `L`, `W`, `#` within a list.
    #[error("`L`, `W` and `#` must stand alone in their field")]
    NotAlone,
    /// A valid expression for no instant at all.
    #[error("this never happens: no such month has such a day")]
    Never,
    /// Valid, but the part that computes instants refuses it.
    #[error("Jobber can not compute the instants of this expression")]
    NotComputable,
}

/// A field of the expression: its limits and the names of its values.
struct Field {
    name: &'static str,
    first: u8,
    last: u8,
    /// Names of the values from `first` on.
    names: &'static [&'static str],
}

const SECOND: Field = Field {
    name: "second",
    first: 0,
    last: 59,
    names: &[],
};
const MINUTE: Field = Field {
    name: "minute",
    first: 0,
    last: 59,
    names: &[],
};
const HOUR: Field = Field {
    name: "hour",
    first: 0,
    last: 23,
    names: &[],
};
const DAY: Field = Field {
    name: "day of the month",
    first: 1,
    last: 31,
    names: &[],
};
const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &MONTHS,
};
/// 7 is Sunday too.
const WEEKDAY: Field = Field {
    name: "day of the week",
    first: 0,
    last: 7,
    names: &WEEKDAYS,
};
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// A piece of the text and the number of characters before it.
#[derive(Clone, Copy)]
struct Piece<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Piece<'a> {
    fn split(self, separator: impl Fn(char) -> bool) -> impl Iterator<Item = Piece<'a>> {
        let mut position = self.position;
        self.text.split(separator).map(move |text| {
            let piece = Piece { text, position };
            position += text.chars().count() + 1;
            piece
        })
    }

    fn split_once(self, separator: char) -> (Self, Option<Self>) {
        match self.text.split_once(separator) {
            Some((before, after)) => {
                let position = self.position + before.chars().count() + 1;
                (
                    Self { text: before, ..self },
                    Some(Self {
                        text: after,
                        position,
                    }),
                )
            }
            None => (self, None),
        }
    }

    fn fails(self, fault: CronFault) -> CronError {
        CronError {
            position: self.position,
            fault,
        }
    }
}

pub(super) fn parse(text: &str) -> Result<CronExpression, CronError> {
    if text.len() > MAX_BYTES {
        return Err(CronError {
            position: MAX_BYTES,
            fault: CronFault::TooLong,
        });
    }
    let whole = Piece { text, position: 0 };
    let mut fields: Vec<Piece<'_>> = whole
        .split(char::is_whitespace)
        .filter(|field| !field.text.is_empty())
        .collect();
    if let [alias] = fields[..]
        && alias.text.starts_with('@')
    {
        let meaning =
            expand(alias.text).ok_or_else(|| alias.fails(CronFault::Alias(alias.text.to_owned())))?;
        return Ok(CronExpression {
            text: text.to_owned(),
            ..parse(meaning)?
        });
    }
    let seconds = match fields.len() {
        5 => Values::range(0, 0),
        6 => values(&SECOND, fields.remove(0))?,
        count => {
            let position = fields
                .get(6)
                .map_or(text.chars().count(), |surplus| surplus.position);
            return Err(CronError {
                position,
                fault: CronFault::FieldCount(count),
            });
        }
    };
    Ok(CronExpression {
        text: text.to_owned(),
        seconds,
        minutes: values(&MINUTE, fields[0])?,
        hours: values(&HOUR, fields[1])?,
        days: days_of_month(fields[2])?,
        months: values(&MONTH, fields[3])?,
        weekdays: days_of_week(fields[4])?,
    })
}

fn expand(alias: &str) -> Option<&'static str> {
    Some(match alias.to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => return None,
    })
}

/// The field for days of the month: values, or one of `L`, `L-3`, `LW`, `L-3W`, `15W`.
fn days_of_month(field: Piece<'_>) -> Result<DaysOfMonth, CronError> {
    let upper = field.text.to_ascii_uppercase();
    if !upper.contains(['L', 'W']) {
        return Ok(restriction(&DAY, field)?.map_or(DaysOfMonth::Any, DaysOfMonth::Values));
    }
    if upper.contains(',') {
        return Err(field.fails(CronFault::NotAlone));
    }
    let unknown = || {
        field.fails(CronFault::Item {
            text: field.text.to_owned(),
            field: DAY.name,
        })
    };
    let (day, weekday) = upper
        .strip_suffix('W')
        .map_or((upper.as_str(), false), |day| (day, true));
    if let Some(offset) = day.strip_prefix('L') {
        let before = if offset.is_empty() {
            0
        } else {
            let digits = offset.strip_prefix('-').ok_or_else(unknown)?;
            digits
                .parse::<u8>()
                .ok()
                .filter(|days| (1..=30).contains(days))
                .ok_or_else(unknown)?
        };
        return Ok(if weekday {
            DaysOfMonth::LastWeekday(before)
        } else {
            DaysOfMonth::Last(before)
        });
    }
    if !weekday {
        return Err(unknown());
    }
    let day = Piece {
        text: &field.text[..field.text.len() - 1],
        ..field
    };
    value(&DAY, day).map(DaysOfMonth::NearestWeekday)
}

/// The field for days of the week: values, or one of `L` (Saturday), `5L`, `5#2`.
fn days_of_week(field: Piece<'_>) -> Result<DaysOfWeek, CronError> {
    let upper = field.text.to_ascii_uppercase();
    let special = upper.contains('#') || upper.ends_with('L');
    if special && upper.contains(',') {
        return Err(field.fails(CronFault::NotAlone));
    }
    if upper == "L" {
        return Ok(DaysOfWeek::Values(Values::range(6, 6)));
    }
    if upper.ends_with('L') {
        let day = Piece {
            text: &field.text[..field.text.len() - 1],
            ..field
        };
        return Ok(DaysOfWeek::Last(value(&WEEKDAY, day)? % 7));
    }
    if let (day, Some(nth)) = field.split_once('#') {
        let weekday = value(&WEEKDAY, day)? % 7;
        let nth = value(
            &Field {
                name: "week of the month",
                first: 1,
                last: 5,
                names: &[],
            },
            nth,
        )?;
        return Ok(DaysOfWeek::Nth { weekday, nth });
    }
    Ok(restriction(&WEEKDAY, field)?.map_or(DaysOfWeek::Any, DaysOfWeek::Values))
}

/// The values of a field for days; `None` when one of its items stands for every day.
fn restriction(field: &Field, list: Piece<'_>) -> Result<Option<Values>, CronError> {
    let (any, others): (Vec<_>, Vec<_>) = list
        .split(|c| c == ',')
        .partition(|item| matches!(item.text, "*" | "?" | "*/1"));
    let mut all = Values::default();
    for item in others {
        all = all.union(list_item(field, item)?);
    }
    Ok(any.is_empty().then_some(all))
}

fn values(field: &Field, list: Piece<'_>) -> Result<Values, CronError> {
    let mut all = Values::default();
    for item in list.split(|c| c == ',') {
        all = all.union(list_item(field, item)?);
    }
    Ok(all)
}

/// One item of a list: `*`, `5`, `5-9`, `22-2` (which goes on from the field's first value), each perhaps with `/step`;
/// `5/15` goes from 5 to the field's last value.
fn list_item(field: &Field, item: Piece<'_>) -> Result<Values, CronError> {
    let (range, step) = item.split_once('/');
    let step = step.map(|step| parse_step(field, step)).transpose()?;
    // The weekdays' 7 is their 0, so they have one value less than their limits say.
    let weekdays = field.last == 7;
    let size = if weekdays { 7 } else { field.last - field.first + 1 };
    let (start, length) = if range.text == "*" {
        (0, size)
    } else {
        let (first, last) = range.split_once('-');
        let start = value(field, first)? - field.first;
        let end = last
            .map(|last| value(field, last))
            .transpose()?
            .map(|last| last - field.first);
        match end {
            Some(end) if end >= start => (start, end - start + 1),
            Some(end) => (start, size - start + end + 1),
            None if step.is_some() => (start % size, size - start % size),
            None => (start, 1),
        }
    };
    Ok((0..length)
        .step_by(usize::from(step.unwrap_or(1)))
        .map(|distance| field.first + (start + distance) % size)
        .collect())
}

fn parse_step(field: &Field, step: Piece<'_>) -> Result<u8, CronError> {
    let last = field.last.min(if field.last == 7 { 6 } else { field.last });
    let number = digits(step.text).ok_or_else(|| {
        step.fails(CronFault::Item {
            text: step.text.to_owned(),
            field: field.name,
        })
    })?;
    u8::try_from(number)
        .ok()
        .filter(|number| (1..=last).contains(number))
        .ok_or_else(|| {
            step.fails(CronFault::Step {
                field: field.name,
                last,
            })
        })
}

fn value(field: &Field, piece: Piece<'_>) -> Result<u8, CronError> {
    if let Some(index) = (0u8..)
        .zip(field.names)
        .find(|(_, name)| name.eq_ignore_ascii_case(piece.text))
    {
        return Ok(field.first + index.0);
    }
    let number = digits(piece.text).ok_or_else(|| {
        piece.fails(CronFault::Item {
            text: piece.text.to_owned(),
            field: field.name,
        })
    })?;
    u8::try_from(number)
        .ok()
        .filter(|number| (field.first..=field.last).contains(number))
        .ok_or_else(|| {
            piece.fails(CronFault::Range {
                field: field.name,
                first: field.first,
                last: field.last,
            })
        })
}

/// A number of at most four digits and nothing else: no sign, no space.
fn digits(text: &str) -> Option<u16> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
