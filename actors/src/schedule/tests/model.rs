//! Random expressions, each with a plain reading of what it means.

use proptest::prelude::*;

use super::set;
use crate::schedule::Values;

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
