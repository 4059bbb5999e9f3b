//! Restoring a backup: all of it, or nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::fault::ReadError;
use super::manifest::{Manifest, Part};
use super::secrets;
use super::stage::Staged;
use crate::archive::{folder_of, sync_folder};
use crate::child::Spawner;
use crate::postgres::{ClientError, PostgresClients};
use crate::sealing::{KeyFileError, KeySource, Keys};
use crate::store::{BackupSession, Database, DatabaseError, Stock, newest_migration};

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
    #[error("a server is connected to this database ({0} connections): stop it first. Nothing was touched")]
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
            let Stock { jobs, versions } = self.stock;
            parts.push(format!(
                "the database has tables ({jobs} jobs, {versions} versions)"
            ));
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
    folders.put_back()?;
    Err(error)
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
        if found == said {
            Ok(())
        } else {
            Err(RestoreError::OtherSchema { found, said })
        }
    };
    if let Err(error) = restoring.await {
        session.put_back().await?;
        return Err(error);
    }
    Ok(session.forget_aside().await?)
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

/// The files of the data folder while it is not sure yet that they stay.
struct Folders {
    archives: PathBuf,
    aside: PathBuf,
    /// What was there is aside.
    is_aside: bool,
    /// What was restored is in its place.
    is_placed: bool,
    /// What secrets were before they were replaced.
    secrets: Vec<(PathBuf, Option<SecretString>)>,
}

impl Folders {
    /// Puts the packages and the secrets of a backup in their places, and what was there aside.
    fn put(data: &Path, staged: &Staged) -> Result<Self, RestoreError> {
        let archives = folder_of(data);
        let aside = data.join("archives.before-restore");
        let mut folders = Self {
            archives,
            aside,
            is_aside: false,
            is_placed: false,
            secrets: Vec::new(),
        };
        match folders.exchange(data, staged) {
            Ok(()) => Ok(folders),
            Err(error) => {
                folders.put_back()?;
                Err(io_error(data, error))
            }
        }
    }

    fn exchange(&mut self, data: &Path, staged: &Staged) -> io::Result<()> {
        // Left by a restore that was cut off: what is there now is of the same backup, or was never touched.
        if self.aside.exists() {
            if self.archives.exists() {
                fs::remove_dir_all(&self.archives)?;
            }
            fs::rename(&self.aside, &self.archives)?;
        }
        if self.archives.exists() {
            fs::rename(&self.archives, &self.aside)?;
            self.is_aside = true;
        }
        fs::rename(staged.archives(), &self.archives)?;
        self.is_placed = true;
        for (part, secret) in &staged.secrets {
            let Some(path) = secrets::place(data, *part) else {
                continue;
            };
            let before = secrets::read_one(&path)?;
            let secret = match (&before, part) {
                // Other values may need the keys that were here.
                (Some(before), Part::MasterKey) => both(secret, before),
                _ => secret.clone(),
            };
            self.secrets.push((path.clone(), before));
            secrets::write(&path, &secret)?;
        }
        sync_folder(data)
    }

    /// It stays; what was there before goes.
    fn keep(self) -> Result<(), RestoreError> {
        if self.is_aside {
            fs::remove_dir_all(&self.aside).map_err(|error| io_error(&self.aside, error))?;
        }
        Ok(())
    }

    /// As it was.
    fn put_back(self) -> Result<(), RestoreError> {
        let back = || -> io::Result<()> {
            if self.is_placed {
                fs::remove_dir_all(&self.archives)?;
            }
            if self.is_aside {
                fs::rename(&self.aside, &self.archives)?;
            }
            for (path, before) in &self.secrets {
                match before {
                    Some(before) => secrets::write(path, before)?,
                    None => fs::remove_file(path)?,
                }
            }
            Ok(())
        };
        back().map_err(|error| io_error(&self.archives, error))
    }
}

/// The keys of a backup first, and then those that were here, once each.
fn both(restored: &SecretString, here: &SecretString) -> SecretString {
    let mut lines: Vec<&str> = Vec::new();
    let all = restored
        .expose_secret()
        .lines()
        .chain(here.expose_secret().lines());
    for line in all.map(str::trim).filter(|line| !line.is_empty()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    SecretString::from(lines.join("\n") + "\n")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io_error(Path::new("."), io::Error::other(error))))
}

fn io_error(path: &Path, source: io::Error) -> RestoreError {
    RestoreError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_both_systems_are_kept_and_those_of_the_backup_come_first() {
        let together = both(&"new\nold\n".into(), &"mine\nold\n".into());
        assert_eq!(together.expose_secret(), "new\nold\nmine\n");
    }

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
