//! Reads the text of cron expressions.

use super::fault::{CronError, CronFault, MAX_BYTES};
use super::fields::{DaysOfMonth, DaysOfWeek, Fields};
use super::values::Values;

/// A field of the expression: its limits and the names of its values.
struct Field {
    name: &'static str,
    first: u8,
    last: u8,
    /// Names of the values from `first` on. Their first three letters do as well.
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
const WEEK: Field = Field {
    name: "week of the month",
    first: 1,
    last: 5,
    names: &[],
};
const MONTHS: [&str; 12] = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];
const WEEKDAYS: [&str; 7] = [
    "SUNDAY",
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
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

    /// The fault of what is no value, range or step.
    fn is_no_item(self, field: &Field) -> CronError {
        let field = field.name;
        self.fails(if self.text.is_empty() {
            CronFault::Missing { field }
        } else {
            let text = self.text.to_owned();
            CronFault::Item { text, field }
        })
    }
}

pub(super) fn parse(text: &str) -> Result<Fields, CronError> {
    if text.len() > MAX_BYTES {
        return Err(CronError {
            position: text.char_indices().take_while(|(at, _)| *at < MAX_BYTES).count(),
            fault: CronFault::TooLong,
        });
    }
    let whole = Piece { text, position: 0 };
    let mut fields: Vec<Piece<'_>> = whole
        .split(char::is_whitespace)
        .filter(|field| !field.text.is_empty())
        .collect();
    if let Some(alias) = fields.first()
        && alias.text.starts_with('@')
    {
        let meaning =
            expand(alias.text).ok_or_else(|| alias.fails(CronFault::Alias(alias.text.to_owned())))?;
        if fields.len() == 1 {
            return parse(meaning);
        }
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
    let days = fields[2];
    let fields = Fields {
        seconds,
        minutes: values(&MINUTE, fields[0])?,
        hours: values(&HOUR, fields[1])?,
        days: days_of_month(days)?,
        months: values(&MONTH, fields[3])?,
        weekdays: days_of_week(fields[4])?,
    };
    if fields.happens() {
        Ok(fields)
    } else {
        Err(days.fails(CronFault::Never))
    }
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
    let special = stands_alone(field, |item| {
        item.starts_with(['L', 'l']) || item.ends_with(['W', 'w'])
    })?;
    if !special {
        return Ok(restriction(&DAY, field)?.map_or(DaysOfMonth::Any, DaysOfMonth::Values));
    }
    let upper = field.text.to_ascii_uppercase();
    let (day, weekday) = upper
        .strip_suffix('W')
        .map_or((upper.as_str(), false), |day| (day, true));
    let Some(offset) = day.strip_prefix('L') else {
        return single(&DAY, field).map(DaysOfMonth::NearestWeekday);
    };
    let before = if offset.is_empty() {
        Some(0)
    } else {
        let number = offset.strip_prefix('-').and_then(digits);
        number
            .and_then(|days| u8::try_from(days).ok())
            .filter(|days| (1..=30).contains(days))
    };
    let before = before.ok_or_else(|| field.is_no_item(&DAY))?;
    Ok(if weekday {
        DaysOfMonth::LastWeekday(before)
    } else {
        DaysOfMonth::Last(before)
    })
}

/// The field for days of the week: values, or one of `L` (Saturday), `5L`, `5#2`.
fn days_of_week(field: Piece<'_>) -> Result<DaysOfWeek, CronError> {
    let special = stands_alone(field, |item| item.contains('#') || item.ends_with(['L', 'l']))?;
    if !special {
        return Ok(restriction(&WEEKDAY, field)?.map_or(DaysOfWeek::Any, DaysOfWeek::Values));
    }
    if field.text.eq_ignore_ascii_case("L") {
        return Ok(DaysOfWeek::Values(Values::range(6, 6)));
    }
    let (day, nth) = field.split_once('#');
    let Some(nth) = nth else {
        return Ok(DaysOfWeek::Last(single(&WEEKDAY, field)? % 7));
    };
    let weekday = value(&WEEKDAY, day)? % 7;
    let nth = value(&WEEK, nth)?;
    Ok(DaysOfWeek::Nth { weekday, nth })
}

/// Whether the field is an item of this kind; it must not have one among others.
fn stands_alone(field: Piece<'_>, special: impl Fn(&str) -> bool) -> Result<bool, CronError> {
    let found = field.split(|c| c == ',').find(|item| special(item.text));
    match found {
        Some(item) if item.text.len() < field.text.len() => Err(item.fails(CronFault::NotAlone)),
        found => Ok(found.is_some()),
    }
}

/// The value before the field's last letter, which is ASCII.
fn single(field: &Field, whole: Piece<'_>) -> Result<u8, CronError> {
    let text = &whole.text[..whole.text.len() - 1];
    value(field, Piece { text, ..whole }).map_err(|error| match error.fault {
        CronFault::Range { .. } => error,
        _ => whole.is_no_item(field),
    })
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
/// `5/15` goes from 5 to the field's last value, which of weekdays is 7.
fn list_item(field: &Field, item: Piece<'_>) -> Result<Values, CronError> {
    let (range, step) = item.split_once('/');
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
            None if step.is_some() => (start, field.last - field.first - start + 1),
            None => (start, 1),
        }
    };
    let step = step.map_or(Ok(1), |step| parse_step(field, step))?;
    Ok((0..length)
        .step_by(usize::from(step))
        .map(|distance| field.first + (start + distance) % size)
        .collect())
}

fn parse_step(field: &Field, step: Piece<'_>) -> Result<u8, CronError> {
    let last = field.last.min(if field.last == 7 { 6 } else { field.last });
    let number = digits(step.text).ok_or_else(|| step.is_no_item(field))?;
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
    let named = (field.first..).zip(field.names).find(|(_, name)| {
        piece.text.eq_ignore_ascii_case(name) || piece.text.eq_ignore_ascii_case(&name[..3])
    });
    if let Some((value, _)) = named {
        return Ok(value);
    }
    let number = digits(piece.text).ok_or_else(|| piece.is_no_item(field))?;
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
