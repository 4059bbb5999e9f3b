//! The options of the record of invocations.

use jobber_actors::manifest::ByteSize;

use super::parse::{bytes, flag, positive};
use super::reader::Reader;

/// What is kept of invocations.
#[derive(Clone, Debug)]
pub struct LedgerSection {
    /// Whether anything is recorded.
    pub enabled: bool,
    /// Days before today of which records are kept.
    pub retention_days: u32,
    /// Most bytes of records that wait while Postgres is away.
    pub max_waiting: ByteSize,
}

impl LedgerSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let enabled = reader.take("LEDGER_ENABLED", flag);
        let retention_days = reader.take("LEDGER_RETENTION_DAYS", positive);
        let max_waiting = reader.take("LEDGER_MAX_WAITING", bytes);
        Some(Self {
            enabled: enabled?,
            retention_days: retention_days?,
            max_waiting: max_waiting?,
        })
    }
}
