//! How the server is: what is checked, what was found last, and what that means for each of its two ports.
//!
//! [`Health`] is a board. A [`Monitor`] looks after what is outside of the process, once a second and never longer than its
//! limit, and puts down what it found; whoever asks reads the board. So a probe waits for nothing, and no number of
//! probes reaches Postgres.

mod board;
mod check;
mod monitor;
#[cfg(test)]
mod tests;

pub use board::Health;
pub use check::{Alive, Check, CheckReport, CheckStatus, Finding, Port, Reason, Report};
pub use monitor::Monitor;
