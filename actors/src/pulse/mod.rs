//! How late the timers of each arbiter are: an arbiter is one thread, and whatever keeps it busy keeps all of its actors waiting.

mod actor;
mod board;
mod lag;

pub(crate) use actor::Pulse;
pub use board::PulseBoard;
