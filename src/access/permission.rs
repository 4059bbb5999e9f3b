//! Who may do what: a pure decision over lists of permissions.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most permissions of one user or token.
pub const MAX_PERMISSIONS: usize = 256;
/// Most bytes of a resource's pattern.
const MAX_PATTERN_BYTES: usize = 1_024;
/// Matches any one segment.
const ANY: &str = "*";

/// Whether a permission gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It gives, unless another one takes.
    Allow,
    /// It takes, whatever others give.
    Deny,
}

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Look at it.
    Read,
    /// Make or change it, or have it do something.
    Write,
    /// Remove it.
    Delete,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Delete];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        })
    }
}

/// Which resources a permission is about: segments between slashes, of which `*` is any one. It matches all that begins
/// with it, so `*` alone matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Pattern {
    text: String,
    #[serde(skip)]
    segments: Vec<String>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing, or nothing between two slashes.
    #[error("a resource is one or more segments between slashes, and none of them is empty")]
    Empty,
    /// Longer than any resource.
    #[error("a resource has at most {MAX_PATTERN_BYTES} bytes")]
    TooLong,
    /// `%` and two digits that are no text.
    #[error("a segment is not UTF-8 once its escapes are resolved")]
    Encoding,
    /// Postgres does not keep it.
    #[error("a resource has no NUL")]
    Nul,
    /// `*` beside something else.
    #[error("`*` stands alone in its segment: {0:?} does not")]
    PartialWildcard(String),
}

impl Pattern {
    /// Reads a pattern. A slash within a segment (the name of a scoped package) is written `%2F`.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        if text.contains('\0') {
            return Err(PatternError::Nul);
        }
        let segments = text.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }

    fn matches(&self, resource: &Resource) -> bool {
        self.segments.len() <= resource.segments.len()
            && self
                .segments
                .iter()
                .zip(&resource.segments)
                .all(|(wanted, segment)| wanted == ANY || segment.is_called(wanted))
    }

    /// Whether it matches all that the other one matches.
    fn covers(&self, other: &Self) -> bool {
        self.segments.len() <= other.segments.len()
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|(wide, narrow)| wide == ANY || wide == narrow)
    }

    /// Whether there may be a resource that both match.
    fn may_meet(&self, other: &Self) -> bool {
        let mut pairs = self.segments.iter().zip(&other.segments);
        pairs.all(|(one, two)| one == ANY || two == ANY || one == two || is_id(one) != is_id(two))
    }
}

/// Whether it is an id, and not a name. An id and a name may be the same thing's.
fn is_id(segment: &str) -> bool {
    Uuid::try_parse(segment).is_ok()
}

fn segment(text: &str) -> Result<String, PatternError> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| PatternError::Encoding)?;
    if decoded.is_empty() {
        return Err(PatternError::Empty);
    }
    if decoded != ANY && text.contains(ANY) {
        return Err(PatternError::PartialWildcard(text.to_owned()));
    }
    // The plural that some of the first Jobber's documents have.
    Ok(if decoded == "users" {
        "user".to_owned()
    } else {
        decoded.into_owned()
    })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// One line of what somebody may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// Whether it gives or takes.
    pub effect: Effect,
    /// What it is about.
    #[schema(value_type = String, max_length = 1024, pattern = r"^(\*|[^*/\u0000]+)(/(\*|[^*/\u0000]+))*$")]
    pub resource: Pattern,
    /// What may be done, or not.
    pub actions: Vec<Action>,
}

impl Permission {
    fn applies(&self, action: Action, resource: &Resource) -> bool {
        self.actions.contains(&action) && self.resource.matches(resource)
    }
}

/// What somebody may do. Nothing is allowed that no line allows, and nothing that a line denies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// These lines.
    #[must_use]
    pub fn new(permissions: Vec<Permission>) -> Self {
        Self(permissions)
    }

    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        let everything = Pattern {
            text: ANY.to_owned(),
            segments: vec![ANY.to_owned()],
        };
        Self(vec![Permission {
            effect: Effect::Allow,
            resource: everything,
            actions: Action::ALL.to_vec(),
        }])
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this may be done.
    #[must_use]
    pub fn allow(&self, action: Action, resource: &Resource) -> bool {
        let mut allowed = false;
        for permission in &self.0 {
            if permission.applies(action, resource) {
                match permission.effect {
                    Effect::Allow => allowed = true,
                    Effect::Deny => return false,
                }
            }
        }
        allowed
    }

    /// Whether all that `given` allows is allowed here, too. May say no where that could be shown only by going through all
    /// resources: where something is denied here, it has to be denied there by a line of its own.
    #[must_use]
    pub fn cover(&self, given: &Self) -> bool {
        let with = |permissions: &Self, effect, action| -> Vec<Pattern> {
            let lines = permissions.0.iter();
            lines
                .filter(|line| line.effect == effect && line.actions.contains(&action))
                .map(|line| line.resource.clone())
                .collect()
        };
        Action::ALL.into_iter().all(|action| {
            let (allowed, denied) = (
                with(self, Effect::Allow, action),
                with(self, Effect::Deny, action),
            );
            let denied_there = with(given, Effect::Deny, action);
            with(given, Effect::Allow, action).iter().all(|asked| {
                allowed.iter().any(|pattern| pattern.covers(asked))
                    && denied
                        .iter()
                        .filter(|pattern| pattern.may_meet(asked))
                        .all(|pattern| denied_there.iter().any(|there| there.covers(pattern)))
            })
        })
    }
}

/// One thing that something is done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    name: String,
    /// A job has an id and a name, and permissions may mean either.
    other: Option<String>,
}

impl Segment {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.other.as_deref() == Some(name)
    }
}

impl Resource {
    /// The resource of this kind (`job`, `user`, …), with all below it.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        Self { segments: Vec::new() }.below(kind)
    }

    /// What is below it under this name.
    #[must_use]
    pub fn below(mut self, name: impl ToString) -> Self {
        self.segments.push(Segment {
            name: name.to_string(),
            other: None,
        });
        self
    }

    /// What is below it under either of two names.
    #[must_use]
    pub fn below_either(mut self, name: impl ToString, other: impl ToString) -> Self {
        self.segments.push(Segment {
            name: name.to_string(),
            other: Some(other.to_string()),
        });
        self
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(&segment.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "permission_tests.rs"]
mod tests;
