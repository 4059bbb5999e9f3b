//! The engines: what starts and ends runners. [`docker`] is the product; [`process`] runs them as children of the
//! server, for development and for machines without Docker. Both give a runner the same start line on its standard
//! input, and both turn what a runner's process writes outside of its session into log lines.

pub mod docker;
mod outbox;
mod output;
pub mod process;
mod start_line;

pub use start_line::ManagerAddress;
