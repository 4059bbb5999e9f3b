//! Which runtime a package runs on.

use std::fmt;

use nodejs_semver::Range;
use schemars::JsonSchema;
use serde::Serialize;

/// A language runtime that Jobber has an image for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// Node.js 20.
    Node20,
    /// Node.js 22.
    Node22,
    /// Node.js 24.
    Node24,
}

impl Runtime {
    /// All runtimes, the newest first.
    pub const ALL: [Self; 3] = [Self::Node24, Self::Node22, Self::Node20];
    /// What a package without `engines.node` gets.
    pub const NEWEST: Self = Self::Node24;

    /// The major version of Node.js.
    #[must_use]
    pub const fn major(self) -> u32 {
        match self {
            Self::Node20 => 20,
            Self::Node22 => 22,
            Self::Node24 => 24,
        }
    }

    /// The name in labels, configuration and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node20 => "node20",
            Self::Node22 => "node22",
            Self::Node24 => "node24",
        }
    }

    /// The newest runtime of which some release satisfies the range. Images are updated within their major version, so
    /// any release of it counts: `>=22.5 <23` is Node.js 22.
    ///
    /// # Errors
    /// [`RuntimeError`] when the text is no range or no runtime satisfies it.
    pub fn select(range: &str) -> Result<Self, RuntimeError> {
        // The parser's own limit is not enforced on ranges.
        if range.len() > nodejs_semver::MAX_LENGTH {
            return Err(RuntimeError::NotARange);
        }
        let alternatives: Vec<Vec<Range>> = range.split("||").map(comparators).collect::<Result<_, _>>()?;
        let satisfies = |runtime: &Self| {
            let releases = runtime.releases()?;
            let some = alternatives.iter().any(|comparators| {
                let common = |left: Range, right: &Range| left.intersect(right);
                comparators.iter().try_fold(releases.clone(), common).is_some()
            });
            Some(some)
        };
        Self::ALL
            .into_iter()
            .find(|runtime| satisfies(runtime) == Some(true))
            .ok_or(RuntimeError::Unsatisfied)
    }

    /// All releases of the major version.
    fn releases(self) -> Option<Range> {
        let major = self.major();
        Range::parse(format!(">={major}.0.0 <{}.0.0-0", major + 1)).ok()
    }
}

/// What a version must satisfy all of: the parts of a range between `||`.
///
/// Each part is parsed by itself, because of several at once the parser drops those it does not understand, and joins
/// those that exclude each other (`>24 <24`) where it should intersect them.
fn comparators(alternative: &str) -> Result<Vec<Range>, RuntimeError> {
    let parse = |text: &str| Range::parse(text).map_err(|_| RuntimeError::NotARange);
    let words: Vec<&str> = alternative.split_whitespace().collect();
    if words.contains(&"-") {
        return match words[..] {
            [_, "-", _] => Ok(vec![parse(&words.join(" "))?]),
            _ => Err(RuntimeError::NotARange),
        };
    }
    // `>= 20` is one comparator.
    let mut parts: Vec<String> = Vec::new();
    for word in words {
        match parts.last_mut() {
            Some(part) if part.ends_with(['<', '>', '=', '~', '^']) => part.push_str(word),
            _ => parts.push(word.to_owned()),
        }
    }
    parts.iter().map(|part| parse(part)).collect()
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why no runtime can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// Not a range as npm understands it.
    #[error("is not a range of versions, such as `>=20` or `^22.5`")]
    NotARange,
    /// A range without a release of any runtime.
    #[error("no runtime satisfies this range; there are Node.js 24, 22 and 20")]
    Unsatisfied,
}

/// The `engines` of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Engines {
    /// The versions of Node.js that the package runs on, as a semver range. The newest runtime (24, 22, 20) of which some
    /// release satisfies it is taken; without a range, the newest of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The runtime that was chosen.
    #[serde(skip)]
    pub runtime: Runtime,
}

impl Default for Engines {
    fn default() -> Self {
        Self {
            node: None,
            runtime: Runtime::NEWEST,
        }
    }
}
