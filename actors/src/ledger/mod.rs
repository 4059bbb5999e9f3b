//! The record of every invocation: what started it, what it came to, how long it took.
//!
//! An [`Entry`] goes along with an invocation's reply slot, which is answered exactly once, and becomes a record in the ring
//! when it is. The Ledger actor writes the ring in batches. Nothing on an invocation's way waits for that.

mod actor;
mod board;
mod book;
mod capture;
mod entry;
mod instants;
mod redaction;

pub use actor::Ledger;
pub(crate) use board::LaneBoard;
pub use book::{Book, RECORD_RING_LIMITS, RecordRing};
pub(crate) use capture::Capturing;
pub(crate) use entry::{Dispatched, Entry, error_of, refused, request_subject, whole};
pub(crate) use instants::{passed, skipped};
pub use redaction::{REDACTED, input as without_credentials};
