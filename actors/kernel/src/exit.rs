//! Why actors end.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use serde::Serialize;

use crate::path::{ActorId, ActorPath};

/// The longest message of a failure that is kept, in bytes.
const LONGEST_MESSAGE: usize = 4096;

/// One crash: a panic, or what was handed to [`Context::fail`](crate::Context::fail).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// What went wrong, cut at 4 KiB.
    pub message: String,
    /// `file:line:column` of the panic; `None` where it is unknown, as without
    /// [`install_panic_hook`](crate::install_panic_hook).
    pub location: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    pub at_unix_ms: u64,
}

impl Failure {
    /// A failure that happens now.
    pub fn new(message: impl fmt::Display) -> Self {
        let mut message = message.to_string();
        if message.len() > LONGEST_MESSAGE {
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        }
        Self {
            message,
            location: None,
            at_unix_ms: unix_ms(),
        }
    }

    pub(crate) fn at(mut self, location: Option<String>) -> Self {
        self.location = location;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "{} ({location})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The wall clock, in milliseconds since the Unix epoch.
pub(crate) fn unix_ms() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Why an actor was asked to stop, in words for people: `"shutdown"`, `"version replaced"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct StopReason(Cow<'static, str>);

impl StopReason {
    /// The parent is stopping, and its children stop before it.
    pub const PARENT_STOPPING: Self = Self(Cow::Borrowed("the parent is stopping"));
    /// The parent crashed, and its new state starts its own children.
    pub const PARENT_CRASHED: Self = Self(Cow::Borrowed("the parent crashed"));
    /// The parent was killed, or did not stop in time.
    pub const PARENT_KILLED: Self = Self(Cow::Borrowed("the parent was killed"));

    /// The reason as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for StopReason {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

impl From<String> for StopReason {
    fn from(reason: String) -> Self {
        Self(Cow::Owned(reason))
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an actor's life ended for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It stopped by itself, unasked, and its policy does not start it again.
    Normal,
    /// It was asked to stop and did so within its grace.
    Stopped(StopReason),
    /// It crashed, and its policy (or a stop that was under way) does not start it again.
    Crashed(Failure),
    /// It needed more restarts than its intensity allows.
    GaveUp {
        /// How often it has been restarted in its whole life.
        restarts: u32,
        /// The failure that was one too many.
        last: Failure,
    },
    /// Its future was dropped: the grace ran out, it was killed, or its arbiter ended.
    Killed,
}

impl ExitReason {
    /// Whether the actor ended the way it should: by itself or asked to.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Normal | Self::Stopped(_))
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("ended by itself"),
            Self::Stopped(reason) => write!(f, "stopped: {reason}"),
            Self::Crashed(failure) => write!(f, "crashed: {failure}"),
            Self::GaveUp { restarts, last } => write!(f, "gave up after {restarts} restarts: {last}"),
            Self::Killed => f.write_str("killed"),
        }
    }
}

/// The news to a parent that one of its children has ended for good. Told once per child.
#[derive(Clone, Debug)]
pub struct ChildExit {
    /// The child's number.
    pub id: ActorId,
    /// The child's path.
    pub path: ActorPath,
    /// The name that its [`ChildSpec`](crate::ChildSpec) gave.
    pub name: String,
    /// Its [`Child::KIND`](crate::Child::KIND).
    pub kind: &'static str,
    /// Why it ended.
    pub reason: ExitReason,
    /// How often it had been restarted.
    pub restarts: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let failure = Failure::new("ä".repeat(LONGEST_MESSAGE));
        assert_eq!(failure.message.len(), LONGEST_MESSAGE);
        let failure = Failure::new(format!("x{}", "ä".repeat(LONGEST_MESSAGE)));
        assert_eq!(failure.message.len(), LONGEST_MESSAGE - 1);
    }
}
