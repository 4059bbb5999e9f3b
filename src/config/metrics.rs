//! The options of what is counted.

use super::parse::positive;
use super::reader::Reader;

/// What is kept of the counts.
#[derive(Clone, Debug)]
pub struct MetricsSection {
    /// Days before today of which the counts of every minute are kept.
    pub retention_days: u32,
}

impl MetricsSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let retention_days = reader.take("METRICS_RETENTION_DAYS", positive);
        Some(Self {
            retention_days: retention_days?,
        })
    }
}
