//! Restoring a backup: all of it, or nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::exchange::Folders;
use super::fault::ReadError;
use super::manifest::{Manifest, Part};
use super::stage::Staged;
use crate::archive::folder_of;
use crate::child::Spawner;
use crate::postgres::{ClientError, PostgresClients};
use crate::sealing::{KeyFileError, KeySource, Keys};
use crate::store::{BackupSession, Database, DatabaseError, Stock, newest_migration};
use crate::text::counted;

/// The system that a backup is restored into.
pub struct RestoreTarget {
    /// Its database.
    pub database: Database,
    /// How programs reach that.
    pub url: SecretString,
    /// Its data folder.
    pub data: PathBuf,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Starts `pg_restore`.
    pub spawner: Spawner,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        error: ReadError,
    },
    /// Something is there already.
    #[error("this system is not empty: {0}. Nothing was touched")]
    NotEmpty(Occupied),
    /// A server works on it.
    #[error("a server is connected to this database ({}): stop it first. Nothing was touched", counted(.0.unsigned_abs(), "connection"))]
    InUse(i64),
    /// One at a time.
    #[error("a backup or another restore of this database is under way. Nothing was touched")]
    Running,
    /// Postgres is out of reach, or refused. What was there was put back.
    #[error("the database: {0}")]
    Database(#[from] DatabaseError),
    /// `pg_restore` is missing, or failed. What was there was put back.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The keys of this system can not be read.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The data folder.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It failed, and so did undoing it.
    #[error(
        "{original}. What was there could not be put back ({back}); run it again with --replace once that is mended"
    )]
    NotPutBack {
        /// Why it failed.
        original: Box<RestoreError>,
        /// Why it could not be undone.
        back: Box<RestoreError>,
    },
    /// It is restored, and not what it says.
    #[error("the dump has schema {found}, and the backup says {said}: nothing was kept of it")]
    OtherSchema {
        /// In the dump.
        found: u32,
        /// In the manifest.
        said: u32,
    },
}

/// What would be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occupied {
    /// There is something in the database.
    pub database: bool,
    /// Of that, what people know.
    pub stock: Stock,
    /// There are packages.
    pub archives: bool,
    /// A restore was cut off, and what was there before is still put aside.
    pub interrupted: bool,
}

impl Occupied {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for Occupied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if self.database {
            let jobs = counted(self.stock.jobs.unsigned_abs(), "job");
            let versions = counted(self.stock.versions.unsigned_abs(), "version");
            parts.push(format!("the database has tables ({jobs}, {versions})"));
        }
        if self.archives {
            parts.push("the data folder has packages".to_owned());
        }
        if self.interrupted {
            parts.push("an earlier restore was cut off".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup said of itself.
    pub manifest: Manifest,
    /// What there is now.
    pub stock: Stock,
    /// What was replaced.
    pub replaced: Occupied,
    /// Keys that sealed values need and that this system does not have. The server does not start without them.
    pub missing_keys: Vec<String>,
    /// Whether the instance's own token came along.
    pub has_token: bool,
}

/// Restores a backup. Nothing is touched before all of the file was read and checked; what fails after that leaves everything as it
/// was. With `replace`, what there is gives way.
///
/// # Errors
/// [`RestoreError`].
pub async fn restore(
    target: &RestoreTarget,
    file: &Path,
    passphrase: Option<SecretString>,
    replace: bool,
) -> Result<Restored, RestoreError> {
    let data = &target.data;
    fs::create_dir_all(data).map_err(|error| io_error(data, error))?;
    let session = BackupSession::begin(&target.database)
        .await?
        .ok_or(RestoreError::Running)?;
    let servers = session.servers().await?;
    if servers > 0 {
        return Err(RestoreError::InUse(servers));
    }
    let occupied = look(&session, data).await?;
    if !replace && !occupied.is_empty() {
        return Err(RestoreError::NotEmpty(occupied));
    }
    let postgres = session.postgres().await?;
    let staged = stage(file, passphrase, data, postgres).await?;
    let clients = blocking(move || PostgresClients::find(postgres).map_err(RestoreError::from)).await?;

    let folders = Folders::put(data, &staged)?;
    let restored = into_database(target, &session, &clients, &staged, &occupied).await;
    let Err(error) = restored else {
        folders.keep()?;
        return told(target, &session, staged, occupied).await;
    };
    Err(error.after(folders.put_back()))
}

impl RestoreError {
    /// This failure, after what was there was put back, or was not.
    pub(super) fn after(self, back: Result<(), Self>) -> Self {
        match back {
            Ok(()) => self,
            Err(back) => Self::NotPutBack {
                original: Box::new(self),
                back: Box::new(back),
            },
        }
    }
}

async fn look(session: &BackupSession, data: &Path) -> Result<Occupied, RestoreError> {
    Ok(Occupied {
        database: !session.is_empty().await?,
        stock: session.stock().await?,
        archives: has_archives(data).map_err(|error| io_error(data, error))?,
        interrupted: session.is_interrupted().await?,
    })
}

/// Whether there is any package. Empty folders are none.
fn has_archives(data: &Path) -> io::Result<bool> {
    let folders = match fs::read_dir(folder_of(data)) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for folder in folders {
        let folder = folder?;
        if !folder.file_type()?.is_dir() || fs::read_dir(folder.path())?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn stage(
    file: &Path,
    passphrase: Option<SecretString>,
    data: &Path,
    postgres: u32,
) -> Result<Staged, RestoreError> {
    let (file, data) = (file.to_owned(), data.to_owned());
    blocking(move || {
        let failed = |error| RestoreError::File {
            file: file.clone(),
            error,
        };
        let opened = File::open(&file).map_err(|error| failed(ReadError::Io(error)))?;
        let fits = |manifest: &Manifest| Ok(manifest.check(newest_migration(), postgres)?);
        Staged::read(opened, passphrase.as_ref(), &data, &fits).map_err(failed)
    })
    .await
}

async fn into_database(
    target: &RestoreTarget,
    session: &BackupSession,
    clients: &PostgresClients,
    staged: &Staged,
    occupied: &Occupied,
) -> Result<(), RestoreError> {
    // What is aside since a restore that was cut off is the real thing.
    if occupied.interrupted {
        session.put_back().await?;
    }
    session.put_aside().await?;
    let restoring = async {
        let dump = staged
            .dump
            .try_clone()
            .map_err(|error| io_error(&target.data, error))?;
        clients.restore(&target.spawner, &target.url, dump).await?;
        let (found, said) = (session.schema().await?, staged.manifest.schema);
        if found != said {
            return Err(RestoreError::OtherSchema { found, said });
        }
        Ok(session.forget_aside().await?)
    };
    match restoring.await {
        Ok(()) => Ok(()),
        Err(error) => Err(error.after(session.put_back().await.map_err(RestoreError::from))),
    }
}

async fn told(
    target: &RestoreTarget,
    session: &BackupSession,
    staged: Staged,
    replaced: Occupied,
) -> Result<Restored, RestoreError> {
    let mut known = BTreeSet::new();
    if Keys::exist(&target.keys)? {
        let keys = Keys::load(target.keys.clone())?;
        known.extend(keys.ring().ids().map(|id| id.to_string()));
    }
    let needed = staged.manifest.keys.iter();
    Ok(Restored {
        stock: session.stock().await?,
        replaced,
        missing_keys: needed.filter(|key| !known.contains(*key)).cloned().collect(),
        has_token: staged.secrets.iter().any(|(part, _)| *part == Part::AdminToken),
        manifest: staged.manifest,
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io_error(Path::new("."), io::Error::other(error))))
}

pub(super) fn io_error(path: &Path, source: io::Error) -> RestoreError {
    RestoreError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_told() {
        let occupied = Occupied {
            database: true,
            stock: Stock { jobs: 2, versions: 5 },
            archives: true,
            interrupted: false,
        };
        assert_eq!(
            occupied.to_string(),
            "the database has tables (2 jobs, 5 versions), the data folder has packages"
        );
    }
}
