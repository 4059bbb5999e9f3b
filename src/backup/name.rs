//! What backups are called, and which of them stay. Pure.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};

const PREFIX: &str = "jobber-";
const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";
const PLAIN: &str = ".tar";
const ENCRYPTED: &str = ".tar.age";

/// The name of a backup's file: `jobber-20261126T000000.000Z.tar`, or `….tar.age` if it is encrypted. Names of one kind sort by
/// time. Nothing else is such a name, so a name that was read leads nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName {
    /// When the backup was begun, to the millisecond.
    at: DateTime<Utc>,
    encrypted: bool,
}

/// A text that is no backup's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no name of a backup")]
pub struct NoBackupName;

impl BackupName {
    /// The name of a backup that was begun then.
    #[must_use]
    pub fn new(at: DateTime<Utc>, encrypted: bool) -> Self {
        Self {
            at: at.trunc_subsecs(3),
            encrypted,
        }
    }

    /// When the backup was begun.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// Whether a passphrase is needed to read it.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.encrypted { ENCRYPTED } else { PLAIN };
        write!(f, "{PREFIX}{}{end}", self.at.format(TIME))
    }
}

impl FromStr for BackupName {
    type Err = NoBackupName;

    fn from_str(text: &str) -> Result<Self, NoBackupName> {
        let rest = text.strip_prefix(PREFIX).ok_or(NoBackupName)?;
        let (time, encrypted) = match rest.strip_suffix(ENCRYPTED) {
            Some(time) => (time, true),
            None => (rest.strip_suffix(PLAIN).ok_or(NoBackupName)?, false),
        };
        let at = NaiveDateTime::parse_from_str(time, TIME).map_err(|_| NoBackupName)?;
        let name = Self::new(at.and_utc(), encrypted);
        // There is one way to write it.
        (name.to_string() == text).then_some(name).ok_or(NoBackupName)
    }
}

/// Which of these backups are beyond the newest `keep`.
#[must_use]
pub fn superfluous(mut names: Vec<BackupName>, keep: usize) -> Vec<BackupName> {
    names.sort_unstable_by(|one, two| two.cmp(one));
    names.split_off(keep.min(names.len()))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_name_says_when_and_whether_it_is_encrypted() {
        let begun = "2026-11-26T00:00:01.234567Z".parse().unwrap();
        let name = BackupName::new(begun, false);
        assert_eq!(name.to_string(), "jobber-20261126T000001.234Z.tar");
        let name = BackupName::new(begun, true);
        assert_eq!(name.to_string(), "jobber-20261126T000001.234Z.tar.age");
        assert_eq!(name.to_string().parse(), Ok(name));
        assert!(name.is_encrypted());
    }

    #[test]
    fn nothing_else_is_a_name() {
        for text in [
            "",
            "jobber-.tar",
            "jobber-20261126T000001.234Z",
            "jobber-20261126T000001.234Z.tar.gz",
            "jobber-20261126T000001.234567Z.tar",
            "jobber-20261326T000001.234Z.tar",
            ".jobber-20261126T000001.234Z.tar.partial",
            "../jobber-20261126T000001.234Z.tar",
            "jobber-20261126T000001.234Z.tar/..",
        ] {
            assert_eq!(text.parse::<BackupName>(), Err(NoBackupName), "{text}");
        }
    }

    #[test]
    fn the_newest_stay() {
        let names = [3, 1, 4, 2].map(|second| BackupName::new(at(second), second % 2 == 0));
        let gone: Vec<_> = superfluous(names.to_vec(), 3)
            .iter()
            .map(BackupName::at)
            .collect();
        assert_eq!(gone, [at(1)]);
        assert!(superfluous(names.to_vec(), 4).is_empty());
        assert!(superfluous(names.to_vec(), usize::MAX).is_empty());
        assert!(superfluous(Vec::new(), 1).is_empty());
    }

    proptest! {
        #[test]
        fn every_name_is_read_as_it_was_written(second in 0_i64..4_102_444_800, encrypted: bool) {
            let name = BackupName::new(at(second), encrypted);
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn what_stays_is_newer_than_what_goes(seconds in prop::collection::hash_set(0_i64..10_000, 0..40), keep in 1_usize..40) {
            let names: Vec<_> = seconds.iter().map(|second| BackupName::new(at(*second), false)).collect();
            let gone = superfluous(names.clone(), keep);
            prop_assert_eq!(names.len() - gone.len(), keep.min(names.len()));
            let newest_gone = gone.iter().max();
            let oldest_kept = names.iter().filter(|name| !gone.contains(name)).min();
            prop_assert!(newest_gone.is_none() || oldest_kept > newest_gone);
        }
    }
}
