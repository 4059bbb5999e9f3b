//! How an actor is named.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// The number of one actor, unique within its tree and never used again.
///
/// A restart keeps it; an actor that ended and was started anew under the same name has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ActorId(pub(crate) u64);

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The names from the root down to an actor, such as `/jobs/hello/action 1.2.0`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ActorPath(Arc<str>);

impl ActorPath {
    /// The path of the tree itself, `/`.
    pub(crate) fn root() -> Self {
        Self(Arc::from("/"))
    }

    /// The path of a child. A slash in its name is written `%2F`, so that a path has one reading.
    pub(crate) fn join(&self, name: &str) -> Self {
        let above = self.0.trim_end_matches('/');
        Self(Arc::from(format!("{above}/{}", name.replace('/', "%2F"))))
    }

    /// The path of a task that belongs to this actor, such as `/runners/7#reader`.
    pub(crate) fn task(&self, name: &str) -> Self {
        Self(Arc::from(format!("{}#{name}", self.0)))
    }

    /// The path of work that belongs to no actor.
    pub(crate) fn detached(name: &str) -> Self {
        Self(Arc::from(format!("#{name}")))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ActorPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_in_a_name_does_not_make_a_level() {
        let path = ActorPath::root().join("jobs").join("GET /users");
        assert_eq!(path.as_str(), "/jobs/GET %2Fusers");
    }
}
