//! Invocations that a person has asked for.

use crate::domain::InvocationId;

/// Why a person has begun an invocation. Whoever begins one wants to see what comes of it: its input and output are kept whatever
/// the package says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByHand {
    /// It does this one again.
    Replay(InvocationId),
    /// Its event was made up, to try a version out.
    Test,
}
