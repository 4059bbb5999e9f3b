//! Backups: the database, the packages and, if encrypted, the secrets of a system in one file, and restoring them.
//!
//! A backup is a tar of [`Part`]s: the [`Manifest`] first, the [`Checksums`] of all others last, so that it is written and read in
//! one pass. Encrypted it is an age file for a passphrase. It is written under a temporary name, read again, and gets its name only
//! then. A restore reads all of it into a place beside what is there, and only then exchanges the two. docs/guide/backups.md is for
//! operators.

mod exchange;
mod fault;
mod folder;
mod manifest;
mod name;
mod read;
mod restore;
mod schedule;
mod secrets;
mod service;
mod stage;
mod write;

pub use fault::{BackupError, ReadError};
pub use folder::BackupInfo;
pub use manifest::{Checksum, Checksums, FORMAT, Manifest, NoPart, Part, Unfit};
pub use name::{BackupName, NoBackupName, superfluous};
pub use read::{is_encrypted, verify};
pub use restore::{Occupied, RestoreError, RestoreTarget, Restored, restore};
pub use schedule::{BackupScheduler, Due, due, is_overdue};
pub use service::{BackupGauge, BackupParts, Backups};

#[cfg(test)]
mod tests;
