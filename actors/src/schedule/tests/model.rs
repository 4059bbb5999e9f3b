//! Random expressions, each with a plain reading of what it means.

use chrono::{DateTime, Datelike, NaiveDate, Weekday};
use proptest::prelude::*;
use proptest::sample::select;

use super::set;
use crate::schedule::Values;

/// An expression and its meaning, which is built together with its text and not read from it.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) text: String,
    pub(super) seconds: Values,
    pub(super) minutes: Values,
    pub(super) hours: Values,
    pub(super) months: Values,
    pub(super) days: Days,
    pub(super) weekdays: Days,
}

/// A restriction of days.
#[derive(Clone, Debug)]
pub(super) enum Days {
    Any,
    OfMonth(Values),
    OfWeek(Values),
    /// So many days before the month's last.
    BeforeLast(usize),
    /// The working day nearest to this one.
    WorkingDay(u32),
    /// The working day nearest to the one so many days before the month's last.
    WorkingDayBeforeLast(usize),
    /// The month's nth such weekday.
    Nth(Weekday, usize),
    /// The month's last such weekday.
    Last(Weekday),
}

impl Model {
    /// The text's fields for seconds, minutes and hours.
    fn time(&self) -> String {
        let fields: Vec<&str> = self.text.split(' ').collect();
        fields[..fields.len() - 3].join(" ")
    }

    /// Makes it an expression for one day of the year.
    pub(super) fn restrict_to(&mut self, date: NaiveDate) {
        let part = |part: u32| set([u8::try_from(part).expect("small")]);
        self.text = format!("{} {} {} *", self.time(), date.day(), date.month());
        self.days = Days::OfMonth(part(date.day()));
        self.months = part(date.month());
        self.weekdays = Days::Any;
    }

    /// Whether the expression means what a clock shows, in seconds since 1970.
    pub(super) fn means(&self, clock: i64) -> bool {
        let part =
            |size: i64, count: i64| u32::try_from(clock.div_euclid(size).rem_euclid(count)).expect("small");
        has(self.seconds, part(1, 60))
            && has(self.minutes, part(60, 60))
            && has(self.hours, part(3_600, 24))
            && self.means_day(DateTime::from_timestamp(clock, 0).expect("a date").date_naive())
    }

    /// Whether it means a time of this day.
    pub(super) fn means_day(&self, date: NaiveDate) -> bool {
        let day = match (&self.days, &self.weekdays) {
            (days, Days::Any) => days.is(date),
            (Days::Any, weekdays) => weekdays.is(date),
            (days, weekdays) => days.is(date) || weekdays.is(date),
        };
        day && has(self.months, date.month())
    }
}

impl Days {
    fn is(&self, date: NaiveDate) -> bool {
        let month: Vec<NaiveDate> = (1..=31).filter_map(|day| date.with_day(day)).collect();
        let nearest = |target: u32| {
            let working = month.iter().filter(|day| day.weekday().number_from_monday() <= 5);
            working.min_by_key(|day| day.day().abs_diff(target)) == Some(&date)
        };
        let such = |weekday: Weekday| month.iter().filter(move |day| day.weekday() == weekday);
        match *self {
            Self::Any => true,
            Self::OfMonth(days) => has(days, date.day()),
            Self::OfWeek(days) => has(days, date.weekday().num_days_from_sunday()),
            Self::BeforeLast(days) => month.iter().rev().nth(days) == Some(&date),
            Self::WorkingDay(day) => month.iter().any(|date| date.day() == day) && nearest(day),
            Self::WorkingDayBeforeLast(days) => month
                .iter()
                .rev()
                .nth(days)
                .is_some_and(|date| nearest(date.day())),
            Self::Nth(weekday, nth) => such(weekday).nth(nth - 1) == Some(&date),
            Self::Last(weekday) => such(weekday).next_back() == Some(&date),
        }
    }
}

fn has(values: Values, value: u32) -> bool {
    u8::try_from(value).is_ok_and(|value| values.contains(value))
}

/// A list of values, ranges and steps, and the values that it stands for.
pub(super) fn field(first: u8, last: u8) -> impl Strategy<Value = (String, Values)> {
    let item = (first..=last, first..=last, 1..=last, 0..4u8).prop_map(move |(a, b, step, form)| {
        let wrapped = (a..=last).chain(first..=b);
        let range: Vec<u8> = if a <= b {
            (a..=b).collect()
        } else {
            wrapped.collect()
        };
        let step_by = usize::from(step);
        match form {
            0 => (format!("{a}"), set([a])),
            1 => (format!("{a}-{b}"), set(range)),
            2 => (format!("{a}-{b}/{step}"), set(range.into_iter().step_by(step_by))),
            // Weekdays end with a second Sunday.
            _ if last == 6 => (
                format!("{a}/{step}"),
                set((a..=7).step_by(step_by).map(|day| day % 7)),
            ),
            _ => (format!("{a}/{step}"), set((a..=last).step_by(step_by))),
        }
    });
    proptest::collection::vec(item, 1..4).prop_map(|items| {
        let texts: Vec<String> = items.iter().map(|(text, _)| text.clone()).collect();
        let values = items.iter().flat_map(|(_, values)| values.iter());
        (texts.join(","), set(values))
    })
}

/// A field that is often `*` or `*/n`.
fn often_any(first: u8, last: u8) -> impl Strategy<Value = (String, Values)> {
    prop_oneof![
        3 => Just(("*".to_owned(), set(first..=last))),
        1 => (1..=last.min(31)).prop_map(move |step| {
            (format!("*/{step}"), set((first..=last).step_by(usize::from(step))))
        }),
        3 => field(first, last),
    ]
}

const WEEKDAYS: [(&str, Weekday); 8] = [
    ("SUN", Weekday::Sun),
    ("mon", Weekday::Mon),
    ("2", Weekday::Tue),
    ("Wednesday", Weekday::Wed),
    ("4", Weekday::Thu),
    ("FRI", Weekday::Fri),
    ("6", Weekday::Sat),
    ("7", Weekday::Sun),
];

fn days() -> impl Strategy<Value = (String, Days)> {
    prop_oneof![
        6 => select(vec!["*", "?", "*/1"]).prop_map(|text| (text.to_owned(), Days::Any)),
        3 => field(1, 31).prop_map(|(text, days)| (text, Days::OfMonth(days))),
        1 => Just(("L".to_owned(), Days::BeforeLast(0))),
        1 => Just(("lw".to_owned(), Days::WorkingDayBeforeLast(0))),
        1 => (1..=30usize).prop_map(|days| (format!("L-{days}"), Days::BeforeLast(days))),
        1 => (1..=30usize).prop_map(|days| (format!("L-{days}W"), Days::WorkingDayBeforeLast(days))),
        2 => (1..=31u32).prop_map(|day| (format!("{day}W"), Days::WorkingDay(day))),
    ]
}

fn weekdays() -> impl Strategy<Value = (String, Days)> {
    prop_oneof![
        6 => select(vec!["*", "?", "*/1"]).prop_map(|text| (text.to_owned(), Days::Any)),
        3 => field(0, 6).prop_map(|(text, days)| (text, Days::OfWeek(days))),
        1 => Just(("L".to_owned(), Days::OfWeek(set([6])))),
        1 => (0..=5u8).prop_map(|first| (format!("{first}-7"), Days::OfWeek(set((first..7).chain([0]))))),
        1 => (0..=5u8).prop_map(|last| (format!("7-{last}"), Days::OfWeek(set(0..=last)))),
        2 => select(WEEKDAYS.to_vec()).prop_map(|(name, day)| (format!("{name}L"), Days::Last(day))),
        2 => (select(WEEKDAYS.to_vec()), 1..=5usize)
            .prop_map(|((name, day), nth)| (format!("{name}#{nth}"), Days::Nth(day, nth))),
    ]
}

/// Expressions of five and six fields.
pub(super) fn expressions() -> impl Strategy<Value = Model> {
    let seconds = prop_oneof![
        2 => Just((String::new(), set([0]))),
        1 => often_any(0, 59).prop_map(|(text, values)| (format!("{text} "), values)),
    ];
    let fields = (
        seconds,
        often_any(0, 59),
        often_any(0, 23),
        days(),
        often_any(1, 12),
        weekdays(),
    );
    fields.prop_map(|(seconds, minutes, hours, days, months, weekdays)| Model {
        text: format!(
            "{}{} {} {} {} {}",
            seconds.0, minutes.0, hours.0, days.0, months.0, weekdays.0
        ),
        seconds: seconds.1,
        minutes: minutes.1,
        hours: hours.1,
        days: days.1,
        months: months.1,
        weekdays: weekdays.1,
    })
}

/// Expressions for tests around one moment: any day will do.
pub(super) fn daily_expressions() -> impl Strategy<Value = Model> {
    expressions().prop_map(|mut model| {
        model.text = format!("{} * * *", model.time());
        model.days = Days::Any;
        model.months = set(1..=12);
        model.weekdays = Days::Any;
        model
    })
}
