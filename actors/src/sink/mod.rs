//! From a bounded queue in memory to where things are kept, in batches: log lines and records of invocations.

mod ring;
mod writer;

pub use ring::{Batch, Ring, RingGauge, RingItem, RingLimits};
pub(crate) use writer::{Keeper, Setback, StopSignal, Writer};
