//! The paths of routes: exact, with parameters, with a wildcard, or a regular expression.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, Look};
use serde::{Serialize, Serializer};

/// Most bytes of a path pattern.
const MAX_BYTES: usize = 2_048;
/// Most segments of a path with parameters: the depth of the tree they are found in.
const MAX_SEGMENTS: usize = 64;
/// Most bytes that one compiled regular expression may take.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Paths of the gateway itself. Those that end in a slash stand for all below them.
const RESERVED: [&str; 4] = ["/_jobber", "/_jobber/", "/healthz", "/readyz"];

/// Clients always send these encoded, so a pattern that has them in clear means their encoded form.
const ENCODED_BY_CLIENTS: &AsciiSet = &CONTROLS.add(b' ');

/// The path of a route.
#[derive(Clone)]
pub struct PathPattern {
    text: Box<str>,
    /// How much of a matching path is the same in all of them, in bytes.
    fixed: Box<str>,
    pub(super) kind: Kind,
}

/// The kinds of paths, most specific first.
#[derive(Clone)]
pub(super) enum Kind {
    /// One path.
    Exact,
    /// With at least one parameter or wildcard.
    Segments(Vec<Segment>),
    /// Begins with `^`.
    Regex(Regex),
}

/// One part of a path between slashes. The order is that of specificity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Segment {
    /// As it stands, percent-encoded.
    Literal(Box<str>),
    /// `:name`: one segment that is not empty.
    Parameter(Box<str>),
    /// `*name`: all the rest, perhaps nothing. Always the last one.
    Rest(Box<str>),
}

/// Why a text is no path of a route, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (position {position})")]
pub struct PatternError {
    /// Characters before the fault.
    pub position: usize,
    /// What is wrong.
    pub fault: PatternFault,
}

/// What can be wrong with a path of a route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Neither a path nor a regular expression.
    #[error("a path begins with `/`, or with `^` if it is a regular expression")]
    Start,
    /// More than 2,048 bytes.
    #[error("a path has at most {MAX_BYTES} bytes")]
    TooLong,
    /// More than 64 segments.
    #[error("a path with parameters has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// A query or a fragment is not part of a path.
    #[error("`{0}` can not be in a path: routes do not see the query")]
    Character(char),
    /// `:` or `*` with something else than a name behind it.
    #[error("the name of a parameter is made of letters, digits, `_` and `-`, not beginning with a digit")]
    ParameterName,
    /// Two parameters with one name.
    #[error("the parameter `{0}` occurs twice")]
    ParameterTwice(String),
    /// Something behind the wildcard.
    #[error("a wildcard must be the last segment")]
    WildcardNotLast,
    /// Not understood by the regular expression engine, which has no look-around and no back-references.
    #[error("not a regular expression that Jobber can run: {0}")]
    Regex(String),
    /// The compiled expression needs too much memory.
    #[error("the regular expression is too large once it is compiled")]
    RegexTooLarge,
    /// A path that belongs to the gateway.
    #[error("`/_jobber/`, `/healthz` and `/readyz` belong to Jobber")]
    Reserved,
}

/// Whether the gateway answers this path itself; no route is ever found for it.
#[must_use]
pub fn is_reserved(path: &str) -> bool {
    RESERVED
        .iter()
        .any(|reserved| path == *reserved || (reserved.ends_with('/') && path.starts_with(reserved)))
}

impl PathPattern {
    /// Checks and compiles a path.
    ///
    /// # Errors
    /// [`PatternError`] with the position of the first fault.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_BYTES {
            return Err(fault_at(text, MAX_BYTES, PatternFault::TooLong));
        }
        let pattern = if text.starts_with('^') {
            Self::parse_regex(text)?
        } else if text.starts_with('/') {
            Self::parse_segments(text)?
        } else {
            return Err(fault_at(text, 0, PatternFault::Start));
        };
        if is_reserved(&pattern.fixed) {
            return Err(fault_at(text, 0, PatternFault::Reserved));
        }
        Ok(pattern)
    }

    fn parse_segments(text: &str) -> Result<Self, PatternError> {
        if let Some(offset) = text.find(|c: char| matches!(c, '?' | '#') || c.is_control()) {
            let character = text[offset..].chars().next().unwrap_or('?');
            return Err(fault_at(text, offset, PatternFault::Character(character)));
        }
        let mut segments = Vec::new();
        let mut offset = 1;
        for part in text[1..].split('/') {
            if let Some(Segment::Rest(_)) = segments.last() {
                return Err(fault_at(text, offset - 1, PatternFault::WildcardNotLast));
            }
            let segment = parse_segment(part).map_err(|fault| fault_at(text, offset, fault))?;
            if let Some(name) = segment.name()
                && segments
                    .iter()
                    .filter_map(Segment::name)
                    .any(|other| other == name)
            {
                return Err(fault_at(
                    text,
                    offset,
                    PatternFault::ParameterTwice(name.to_owned()),
                ));
            }
            segments.push(segment);
            offset += part.len() + 1;
        }
        let fixed = fixed_beginning(&segments);
        if segments.iter().all(|segment| segment.name().is_none()) {
            return Ok(Self {
                text: text.into(),
                fixed,
                kind: Kind::Exact,
            });
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(fault_at(text, 0, PatternFault::TooManySegments));
        }
        Ok(Self {
            text: text.into(),
            fixed,
            kind: Kind::Segments(segments),
        })
    }

    fn parse_regex(text: &str) -> Result<Self, PatternError> {
        let hir = regex_syntax::parse(text).map_err(|error| regex_fault(text, &error))?;
        let regex = RegexBuilder::new(text)
            .size_limit(MAX_REGEX_BYTES)
            .dfa_size_limit(MAX_REGEX_BYTES)
            .build()
            .map_err(|_| fault_at(text, 0, PatternFault::RegexTooLarge))?;
        Ok(Self {
            text: text.into(),
            fixed: regex_beginning(&hir),
            kind: Kind::Regex(regex),
        })
    }

    /// The path as the package wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What every path that matches begins with, in the form in which clients send it.
    #[must_use]
    pub fn fixed_beginning(&self) -> &str {
        &self.fixed
    }

    /// The pattern without the names of its parameters: two patterns with one shape match the same paths.
    pub(super) fn shape(&self) -> String {
        match &self.kind {
            Kind::Exact => self.fixed.to_string(),
            Kind::Regex(_) => self.text.to_string(),
            Kind::Segments(segments) => segments
                .iter()
                .map(|segment| match segment {
                    Segment::Literal(text) => format!("/{text}"),
                    Segment::Parameter(_) => "/:".to_owned(),
                    Segment::Rest(_) => "/*".to_owned(),
                })
                .collect(),
        }
    }

    /// The parameters of a path that this pattern matches, decoded.
    pub(super) fn parameters(&self, path: &str) -> BTreeMap<String, String> {
        match &self.kind {
            Kind::Exact => BTreeMap::new(),
            Kind::Segments(segments) => segment_parameters(segments, path),
            Kind::Regex(regex) => {
                let Some(captures) = regex.captures(path) else {
                    return BTreeMap::new();
                };
                regex
                    .capture_names()
                    .flatten()
                    .filter_map(|name| Some((name.to_owned(), decode(captures.name(name)?.as_str()))))
                    .collect()
            }
        }
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }
}

fn parse_segment(part: &str) -> Result<Segment, PatternFault> {
    // `/files/*` is what many routers accept; its parameter is called `*`.
    if part == "*" {
        return Ok(Segment::Rest("*".into()));
    }
    let (make, name): (fn(Box<str>) -> Segment, &str) = match part.as_bytes().first() {
        Some(b':') => (Segment::Parameter, &part[1..]),
        Some(b'*') => (Segment::Rest, &part[1..]),
        _ => return Ok(Segment::Literal(encode(part))),
    };
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins_well
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    {
        Ok(make(name.into()))
    } else {
        Err(PatternFault::ParameterName)
    }
}

fn fixed_beginning(segments: &[Segment]) -> Box<str> {
    let mut fixed = String::new();
    for segment in segments {
        fixed.push('/');
        match segment {
            Segment::Literal(text) => fixed.push_str(text),
            Segment::Parameter(_) | Segment::Rest(_) => break,
        }
    }
    fixed.into()
}

/// What every match begins with. Only an expression that is anchored in all of its alternatives has such a text.
fn regex_beginning(hir: &Hir) -> Box<str> {
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return "".into();
    }
    let prefixes = Extractor::new().extract(hir);
    let common = prefixes.longest_common_prefix().unwrap_or_default();
    // The common prefix of two literals may end inside a character.
    let valid = common.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    valid.into()
}

fn regex_fault(text: &str, error: &regex_syntax::Error) -> PatternError {
    let (offset, reason) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
        other => (0, other.to_string()),
    };
    fault_at(text, offset, PatternFault::Regex(reason))
}

fn segment_parameters(segments: &[Segment], path: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut rest = path.strip_prefix('/').unwrap_or(path);
    for segment in segments {
        let (part, behind) = rest.split_once('/').unwrap_or((rest, ""));
        match segment {
            Segment::Literal(_) => {}
            Segment::Parameter(name) => {
                parameters.insert(name.to_string(), decode(part));
            }
            Segment::Rest(name) => {
                parameters.insert(name.to_string(), decode(rest));
            }
        }
        rest = behind;
    }
    parameters
}

fn decode(raw: &str) -> String {
    percent_decode_str(raw)
        .decode_utf8()
        .map_or_else(|_| raw.to_owned(), |text| text.into_owned())
}

fn encode(literal: &str) -> Box<str> {
    utf8_percent_encode(literal, ENCODED_BY_CLIENTS)
        .to_string()
        .into()
}

fn fault_at(text: &str, offset: usize, fault: PatternFault) -> PatternError {
    let position = text.char_indices().take_while(|(at, _)| *at < offset).count();
    PatternError { position, fault }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({:?})", self.text)
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
