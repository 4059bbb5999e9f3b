//! What of an action needs no actor: its lane and its decisions.

mod decisions;
mod lane;
mod recovery;
mod stories;
