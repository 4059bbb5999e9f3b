//! What is counted of invocations: how they ended and how long they took, by job and by what started them.
//!
//! Counting is a few additions to atomics where an invocation is answered; nothing waits for anybody. Whoever wants to see the
//! numbers reads them from the [`TallyBoard`].

mod histogram;
mod tally;

pub use histogram::{BOUNDS, Histogram, HistogramView};
pub use tally::{Ending, JobTally, TallyBoard, TriggerTally};
