//! The numbers of backups.

use std::fmt;

use prometheus_client::registry::Unit;

use super::writer::{Metrics, NO_LABELS, whole};
use crate::api::metrics::figures::Figures;

impl Figures {
    /// What came of backups. What never happened is left out.
    pub(super) fn backups(&self, metrics: &mut Metrics<'_, '_>) -> fmt::Result {
        let backups = &self.backups;
        let (seconds, bytes) = (Unit::Seconds, Unit::Bytes);
        let last = backups.last_success.iter();
        let last = last.map(|moment| (NO_LABELS, whole(moment.timestamp())));
        let help = "When the newest complete backup was begun, since the Unix epoch";
        metrics.gauges_in(Some(&seconds), "backup_last_success_timestamp", help, last)?;
        let took = backups.last_duration.iter();
        let took = took.map(|took| (NO_LABELS, took.as_secs_f64()));
        let help = "How long the last backup took that this server has made";
        metrics.gauges_in(Some(&seconds), "backup_last_duration", help, took)?;
        let size = backups.last_bytes.iter().map(|size| (NO_LABELS, whole(*size)));
        let help = "Bytes of the newest complete backup";
        metrics.gauges_in(Some(&bytes), "backup_last_size", help, size)?;
        metrics.gauge("backups", "Complete backups in the folder", whole(backups.kept))?;
        metrics.counter("backups_made", "Backups that were made", backups.made)?;
        metrics.counter("backup_failures", "Backups that failed", backups.failed)
    }
}
