//! Batches the functions' log lines to the log store.

mod actor;
mod ring;

pub use actor::LogSink;
pub use ring::{Batch, LogRing, LogRingGauge, LogRingLimits};
