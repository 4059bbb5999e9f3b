//! The options of backups.

use std::path::PathBuf;

use jobber_actors::schedule::{CronExpression, Schedule, parse_zone};
use secrecy::{ExposeSecret, SecretString};

use super::parse::{non_empty, positive};
use super::reader::Reader;

/// A passphrase that is shorter is guessed too soon.
pub(crate) const MIN_PASSPHRASE: usize = 12;

/// Backups.
#[derive(Clone, Debug)]
pub struct BackupSection {
    /// When they are made; `None` is only when somebody asks.
    pub schedule: Option<Schedule>,
    /// How many complete ones stay.
    pub keep: usize,
    /// Where they go; `None` is `backups` in the data directory.
    pub folder: Option<PathBuf>,
    /// What they are encrypted with; `None` is not at all.
    pub passphrase: Option<SecretString>,
}

impl BackupSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let cron = reader.take_optional("DATABASE_BACKUP_SCHEDULE", |text| {
            CronExpression::parse(text).map_err(|error| format!("is no schedule: {error}"))
        });
        let timezone = reader.take("DATABASE_BACKUP_TIMEZONE", |text| {
            parse_zone(text).map_err(|error| error.to_string())
        });
        let keep = reader.take("DATABASE_BACKUP_RETENTION_COUNT", positive);
        let folder = reader.take_optional("DATABASE_BACKUP_FOLDER", non_empty);
        let passphrase = match reader.take_optional_secret("DATABASE_BACKUP_PASSPHRASE") {
            Some(Some(text)) if text.expose_secret().chars().count() < MIN_PASSPHRASE => {
                let message = format!("has less than {MIN_PASSPHRASE} characters");
                reader.problem("DATABASE_BACKUP_PASSPHRASE", message);
                None
            }
            passphrase => passphrase,
        };
        let (cron, timezone) = (cron?, timezone?);
        Some(Self {
            schedule: cron.map(|cron| Schedule { cron, timezone }),
            keep: keep?,
            folder: folder?.map(PathBuf::from),
            passphrase: passphrase?,
        })
    }
}
