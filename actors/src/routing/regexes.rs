//! Finds the most specific regular expression for a path without running all of them.

use std::collections::HashMap;

use regex::Regex;

use super::segments::Rank;

/// The expressions with one beginning, in the order of their rank.
type Candidates = Vec<(Rank, Regex)>;

/// The expressions of one host and method, by what every path that they match begins with.
#[derive(Debug, Default)]
pub(super) struct RegexIndex {
    /// Longest beginning first, as specificity wants it.
    by_length: Vec<(usize, HashMap<Box<str>, Candidates>)>,
}

impl RegexIndex {
    /// Adds a route. Routes come in the order of their rank.
    pub(super) fn push(&mut self, beginning: &str, regex: &Regex, rank: Rank) {
        let length = beginning.len();
        if self
            .by_length
            .last()
            .is_none_or(|(shortest, _)| *shortest != length)
        {
            self.by_length.push((length, HashMap::new()));
        }
        if let Some((_, beginnings)) = self.by_length.last_mut() {
            beginnings
                .entry(beginning.into())
                .or_default()
                .push((rank, regex.clone()));
        }
    }

    /// The most specific route for a path.
    pub(super) fn find(&self, path: &str) -> Option<Rank> {
        self.by_length.iter().find_map(|(length, beginnings)| {
            let candidates = beginnings.get(path.get(..*length)?)?;
            candidates
                .iter()
                .find(|(_, regex)| regex.is_match(path))
                .map(|(rank, _)| *rank)
        })
    }
}
