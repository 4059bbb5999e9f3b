//! The durable queue's options.

use jobber_actors::manifest::ByteSize;

use super::parse::{bytes, positive};
use super::reader::Reader;

/// What a job may have in the durable queue, dead letters included.
#[derive(Clone, Debug)]
pub struct QueueSection {
    /// Most deliveries.
    pub max_rows: u64,
    /// Most bytes of all inputs and payloads.
    pub max_bytes: ByteSize,
}

impl QueueSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let max_rows = reader.take("QUEUE_MAX_ROWS", positive);
        let max_bytes = reader.take("QUEUE_MAX_BYTES", bytes);
        Some(Self {
            max_rows: max_rows?,
            max_bytes: max_bytes?,
        })
    }
}
