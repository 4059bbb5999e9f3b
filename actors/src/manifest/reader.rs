//! Walks through a JSON document, checks types, and notes every problem with its pointer instead of stopping at the first.
//!
//! Serde's own deserialisation ends at the first fault and knows no pointers, hence this small reader. A method that
//! gives `None` has noted why.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use super::problem::{ProblemCode, Problems};

/// Seconds in 68 years: "never" as people write it, and still far from what clocks can add.
pub(super) const MAX_SECONDS: u32 = i32::MAX as u32;

/// A value of the document and where it stands.
pub(super) struct Node<'a> {
    value: &'a Value,
    pointer: String,
    problems: &'a Problems,
}

/// The fields of an object, which are taken out one by one so that those left over are the unknown ones.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    pointer: String,
    problems: &'a Problems,
    known: Vec<&'static str>,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self {
            value,
            pointer: String::new(),
            problems,
        }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn error(&self, code: ProblemCode, message: impl Into<String>) {
        self.problems.error(&self.pointer, code, message);
    }

    pub(super) fn warning(&self, code: ProblemCode, message: impl Into<String>) {
        self.problems.warning(&self.pointer, code, message);
    }

    fn wrong_type(&self, wanted: &str) {
        let given = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.error(ProblemCode::WrongType, format!("must be {wanted}, not {given}"));
    }

    pub(super) fn fields(self) -> Option<Fields<'a>> {
        match self.value {
            Value::Object(map) => Some(Fields {
                map,
                pointer: self.pointer,
                problems: self.problems,
                known: Vec::new(),
            }),
            _ => {
                self.wrong_type("an object");
                None
            }
        }
    }

    /// The elements of an array with at most `most` of them.
    pub(super) fn elements(self, most: usize) -> Vec<Node<'a>> {
        let Value::Array(elements) = self.value else {
            self.wrong_type("an array");
            return Vec::new();
        };
        if elements.len() > most {
            self.error(
                ProblemCode::OutOfRange,
                format!("has {} elements; at most {most} are allowed", elements.len()),
            );
            return Vec::new();
        }
        let pointer = |index| format!("{}/{index}", self.pointer);
        let node = |(index, value)| Node {
            value,
            pointer: pointer(index),
            problems: self.problems,
        };
        elements.iter().enumerate().map(node).collect()
    }

    pub(super) fn string(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a string");
        }
        text
    }

    /// A string that `parse` understands; its error becomes the problem's message.
    pub(super) fn parse<T, E: Display>(&self, parse: impl FnOnce(&'a str) -> Result<T, E>) -> Option<T> {
        parse(self.string()?)
            .map_err(|error| self.error(ProblemCode::InvalidValue, error.to_string()))
            .ok()
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        let found = choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.error(
                ProblemCode::InvalidValue,
                format!("must be one of {}, not `{text}`", words.join(", ")),
            );
        }
        found
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        let boolean = self.value.as_bool();
        if boolean.is_none() {
            self.wrong_type("a boolean");
        }
        boolean
    }

    pub(super) fn number(&self) -> Option<f64> {
        let number = self.value.as_f64();
        if number.is_none() {
            self.wrong_type("a number");
        }
        number
    }

    pub(super) fn integer(&self, limits: RangeInclusive<u32>) -> Option<u32> {
        let number = self.number()?;
        let (first, last) = (*limits.start(), *limits.end());
        if number.fract() != 0.0 {
            self.error(ProblemCode::WrongType, "must be a whole number");
        } else if number < f64::from(first) {
            self.error(ProblemCode::OutOfRange, format!("must be at least {first}"));
        } else if number > f64::from(last) {
            self.error(ProblemCode::OutOfRange, format!("must be at most {last}"));
        } else {
            // Whole and within the limits of u32, as the three tests above have shown.
            return Some(number as u32);
        }
        None
    }

    /// Seconds, perhaps with a fraction; milliseconds are what counts.
    pub(super) fn seconds(&self) -> Option<Duration> {
        let number = self.number()?;
        if number < 0.0 {
            self.error(ProblemCode::OutOfRange, "must be at least 0 (seconds)");
        } else if number > f64::from(MAX_SECONDS) {
            self.error(
                ProblemCode::OutOfRange,
                format!("must be at most {MAX_SECONDS} (seconds)"),
            );
        } else {
            // Between 0 and 2^31 × 1000, so it fits.
            return Some(Duration::from_millis((number * 1000.0).round() as u64));
        }
        None
    }

    /// Seconds of which 0 stands for never.
    pub(super) fn seconds_or_never(&self) -> Option<Option<Duration>> {
        self.seconds()
            .map(|duration| (!duration.is_zero()).then_some(duration))
    }

    /// Seconds of which there must be some.
    pub(super) fn some_seconds(&self) -> Option<Duration> {
        let duration = self.seconds()?;
        if duration.is_zero() {
            self.error(ProblemCode::OutOfRange, "must be more than 0 (seconds)");
            return None;
        }
        Some(duration)
    }
}

impl<'a> Fields<'a> {
    /// A field that may be absent; `null` is absent, too.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Node<'a>> {
        self.known.push(name);
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        Some(Node {
            value,
            pointer: self.pointer_to(name),
            problems: self.problems,
        })
    }

    /// A field that must be there.
    pub(super) fn require(&mut self, name: &'static str) -> Option<Node<'a>> {
        let node = self.take(name);
        if node.is_none() {
            self.error_at(name, ProblemCode::Missing, format!("`{name}` is required"));
        }
        node
    }

    /// The value of a field as `read` sees it; `default` if it is absent or wrong.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
        default: T,
    ) -> T {
        self.take(name).and_then(|node| read(&node)).unwrap_or(default)
    }

    fn pointer_to(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }

    pub(super) fn error_at(&self, name: &str, code: ProblemCode, message: impl Into<String>) {
        self.problems.error(&self.pointer_to(name), code, message);
    }

    /// An error of one element of an array that was read before.
    pub(super) fn error_in(&self, name: &str, index: usize, code: ProblemCode, message: impl Into<String>) {
        self.problems
            .error(&format!("{}/{index}", self.pointer_to(name)), code, message);
    }

    pub(super) fn warning_at(&self, name: &str, code: ProblemCode, message: impl Into<String>) {
        self.problems.warning(&self.pointer_to(name), code, message);
    }

    /// Warns of the fields that nobody asked for.
    pub(super) fn warn_of_unknown(self) {
        for name in self
            .map
            .keys()
            .filter(|name| !self.known.contains(&name.as_str()))
        {
            let hint = match nearest(name, &self.known) {
                Some(known) => format!("; did you mean `{known}`?"),
                None => String::new(),
            };
            self.warning_at(
                name,
                ProblemCode::UnknownField,
                format!("is not known to Jobber and ignored{hint}"),
            );
        }
    }
}

/// The known name that was probably meant.
pub(super) fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    // The comparison is quadratic; nobody mistypes a known name by this much.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(&name, &candidate.to_ascii_lowercase()),
                *candidate,
            )
        })
        .filter(|(similarity, _)| *similarity >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
