//! What is counted of invocations: how they ended and how long they took, by job and by what started them.
//!
//! Counting is a few additions to atomics where an invocation is answered; nothing waits for anybody. Whoever wants to see the
//! numbers reads them from the [`TallyBoard`].

mod count;
mod ending;
mod histogram;
mod minutes;
mod runner_tally;
mod schedule_tally;
mod tally;
mod timing;
mod trigger_tally;

pub use ending::Ending;
pub use histogram::{BOUNDS, BUCKETS, Histogram, HistogramView};
pub use minutes::{JobNow, Levels, MINUTE_LIMITS, MinuteLimits, Minutes, Rollup};
pub use runner_tally::RunnerTally;
pub use schedule_tally::ScheduleTally;
pub use tally::{JobTally, TallyBoard};
pub(crate) use timing::{NewRunner, Timing};
pub use trigger_tally::{Phase, TriggerTally};
