//! What is counted of invocations: how they ended and how long they took, by job and by what started them.
//!
//! Counting is a few additions to atomics where an invocation is answered; nothing waits for anybody. Whoever wants to see the
//! numbers reads them from the [`TallyBoard`].

mod histogram;
mod minutes;
mod tally;
mod timing;

pub use histogram::{BOUNDS, BUCKETS, Histogram, HistogramView};
pub use minutes::{JobNow, Levels, MINUTE_LIMITS, MinuteLimits, Minutes, Rollup};
pub use tally::{Ending, JobTally, Phase, RunnerTally, ScheduleTally, TallyBoard, TriggerTally};
pub(crate) use timing::{NewRunner, Timing};
