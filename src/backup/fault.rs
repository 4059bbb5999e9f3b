//! What can go wrong with a backup.

use std::io;
use std::path::PathBuf;

use super::manifest::Unfit;
use super::write::Stopped;
use crate::postgres::ClientError;
use crate::sealing::KeyFileError;
use crate::store::DatabaseError;

/// Why a file can not be read as a backup.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It can not be read at all.
    #[error("it can not be read: {0}")]
    Io(io::Error),
    /// It is something else.
    #[error("it is no backup of Jobber")]
    NoBackup,
    /// A passphrase is needed.
    #[error("it is encrypted, and no passphrase was given")]
    PassphraseNeeded,
    /// The passphrase is another one.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// It ends too early.
    #[error("it is truncated: {0}")]
    Truncated(String),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Nothing is wrong with it, but it does not fit.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// What is in it can not be put down.
    #[error("what is in it can not be written: {0}")]
    Target(io::Error),
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// One at a time, over all servers.
    #[error("another backup or a restore is under way")]
    Running,
    /// The server stops.
    #[error("the server is shutting down")]
    Stopping,
    /// Postgres is out of reach.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// `pg_dump` is missing, or failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The keys can not be read.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The disk is full.
    #[error("there is no room for a backup in {}: it needs about as much as the database and all packages together; nothing was kept of it", .0.display())]
    NoRoom(PathBuf),
    /// A file or folder can not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was written does not read as it should.
    #[error("the backup was written, but does not verify ({0}); it was removed")]
    Unverified(ReadError),
    /// A defect of this program.
    #[error("the backup ended early: {0}")]
    Lost(String),
}

impl BackupError {
    /// What an error of a file or folder comes to.
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom(path),
            _ if source.get_ref().is_some_and(|error| error.is::<Stopped>()) => Self::Stopping,
            _ => Self::Io { path, source },
        }
    }
}
