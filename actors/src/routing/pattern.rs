//! A route's pattern and its place in the order of specificity.

use std::cmp::Reverse;

use super::host::Hostname;
use super::method::MethodName;
use super::path::{Kind, PathPattern, Segment};

/// What requests a route is for. Every part that is absent stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePattern {
    /// The host that the request must name.
    pub host: Option<Hostname>,
    /// The request's method.
    pub method: Option<MethodName>,
    /// The request's path.
    pub path: Option<PathPattern>,
}

/// Sorts patterns from the most specific one on; see the module's own words for the rules.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Specificity<'a> {
    any_host: bool,
    fixed: Reverse<usize>,
    kind: u8,
    segments: Vec<u8>,
    /// `HEAD` comes before `GET`, which stands in for it.
    method: u8,
    /// Makes the order total, so that a table does not depend on the order of its input.
    text: &'a str,
}

impl RoutePattern {
    pub(super) fn specificity(&self) -> Specificity<'_> {
        let (kind, segments) = match self.path.as_ref().map(|path| &path.kind) {
            Some(Kind::Exact) => (0, Vec::new()),
            Some(Kind::Segments(segments)) => (1, segments.iter().map(openness).collect()),
            Some(Kind::Regex(_)) => (2, Vec::new()),
            None => (3, Vec::new()),
        };
        Specificity {
            any_host: self.host.is_none(),
            fixed: Reverse(self.path.as_ref().map_or(0, |path| path.fixed_beginning().len())),
            kind,
            segments,
            method: match self.method.as_ref().map(MethodName::as_str) {
                Some("HEAD") => 0,
                Some(_) => 1,
                None => 2,
            },
            text: self.path.as_ref().map_or("", PathPattern::as_str),
        }
    }

    /// A text that is equal for two patterns that [conflict](Self::conflicts_with), for finding conflicts by comparing
    /// stored texts. Reads like the pattern, with the names of its parameters left out.
    #[must_use]
    pub fn key(&self) -> String {
        let method = self.method.as_ref().map_or("*", MethodName::as_str);
        let host = self.host.as_ref().map_or("", Hostname::as_str);
        let path = self
            .path
            .as_ref()
            .map_or_else(|| "*".to_owned(), PathPattern::shape);
        format!("{method} {host}{path}")
    }

    /// Whether the two patterns are for the same requests and equally specific, so that one of them would never be
    /// found: same host, same method, and paths that differ in nothing but the names of their parameters.
    #[must_use]
    pub fn conflicts_with(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

fn openness(segment: &Segment) -> u8 {
    match segment {
        Segment::Literal(_) => 0,
        Segment::Parameter(_) => 1,
        Segment::Rest(_) => 2,
    }
}

impl std::fmt::Display for RoutePattern {
    /// `GET example.org/users/:id`, with `*` for an absent method, host or path.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.method.as_ref().map_or("*", MethodName::as_str))?;
        if let Some(host) = &self.host {
            write!(f, "{host}")?;
        }
        f.write_str(self.path.as_ref().map_or("*", PathPattern::as_str))
    }
}
