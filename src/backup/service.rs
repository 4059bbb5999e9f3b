//! Makes backups of a running system and looks after those that there are.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use jobber_actors::domain::ArchiveDigest;
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::fault::BackupError;
use super::folder::{BackupFolder, BackupInfo};
use super::manifest::{FORMAT, Manifest};
use super::name::BackupName;
use super::read::verify;
use super::secrets;
use super::write::{self, Contents};
use crate::archive::DiskArchiveStore;
use crate::child::Spawner;
use crate::postgres::PostgresClients;
use crate::store::{ASIDE, BackupSession, Database, Snapshot};

/// What backups are made of.
pub struct BackupParts {
    /// The database.
    pub database: Database,
    /// How programs reach it.
    pub url: SecretString,
    /// The packages.
    pub archives: DiskArchiveStore,
    /// Where the secrets are.
    pub data: PathBuf,
    /// Where backups go.
    pub folder: PathBuf,
    /// How many complete ones stay.
    pub keep: usize,
    /// What they are encrypted with unless something else is asked for.
    pub passphrase: Option<SecretString>,
    /// Starts `pg_dump`.
    pub spawner: Spawner,
}

/// What came of backups since the start, and which one is the newest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackupGauge {
    /// When the newest one was begun.
    pub last_success: Option<DateTime<Utc>>,
    /// Its bytes.
    pub last_bytes: Option<u64>,
    /// How long it took, if this server made it.
    pub last_duration: Option<Duration>,
    /// How many there are.
    pub kept: usize,
    /// How many were made since the start.
    pub made: u64,
    /// How many failed since the start.
    pub failed: u64,
}

/// Makes backups, one at a time over all servers. Cheap to clone.
#[derive(Clone)]
pub struct Backups {
    shared: Arc<Shared>,
}

struct Shared {
    parts: BackupParts,
    folder: BackupFolder,
    /// Whoever asks may be a thread that ends sooner.
    runtime: Handle,
    gauge: Mutex<BackupGauge>,
    /// Owns what must go on when nobody waits for it any more.
    tasks: TaskTracker,
    stop: watch::Sender<bool>,
    /// For what blocks.
    stopped: Arc<AtomicBool>,
}

impl Backups {
    /// Over these parts. Touches nothing yet. The work is done on the runtime that is current now.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn new(parts: BackupParts) -> Self {
        let shared = Shared {
            folder: BackupFolder::new(parts.folder.clone()),
            parts,
            runtime: Handle::current(),
            gauge: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: watch::Sender::new(false),
            stopped: Arc::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Makes a backup, encrypted with this passphrase or else with the configured one, and verifies it. Goes on to its end even if
    /// the caller stops waiting. Only the newest complete ones stay after it.
    ///
    /// # Errors
    /// [`BackupError`]; then nothing is left of it.
    pub async fn make(&self, passphrase: Option<SecretString>) -> Result<BackupInfo, BackupError> {
        let shared = Arc::clone(&self.shared);
        self.run(async move {
            let session = BackupSession::begin(&shared.parts.database).await?;
            let session = session.ok_or(BackupError::Running)?;
            shared.make_unless_stopped(session, passphrase).await
        })
        .await
    }

    /// The same, for whoever has the lock already.
    pub(super) async fn make_in(
        &self,
        session: BackupSession,
        passphrase: Option<SecretString>,
    ) -> Result<BackupInfo, BackupError> {
        let shared = Arc::clone(&self.shared);
        self.run(async move { shared.make_unless_stopped(session, passphrase).await })
            .await
    }

    async fn run(
        &self,
        making: impl Future<Output = Result<BackupInfo, BackupError>> + Send + 'static,
    ) -> Result<BackupInfo, BackupError> {
        let Shared { tasks, runtime, .. } = &*self.shared;
        tasks
            .spawn_on(making, runtime)
            .await
            .unwrap_or_else(|error| Err(BackupError::Lost(error.to_string())))
    }

    /// All complete backups, the newest first.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub async fn list(&self) -> Result<Vec<BackupInfo>, BackupError> {
        self.shared.in_folder(BackupFolder::list).await
    }

    /// A backup for reading, and its bytes; `None` if it is not here.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub async fn open(&self, name: BackupName) -> Result<Option<(File, u64)>, BackupError> {
        self.shared.in_folder(move |folder| folder.open(name)).await
    }

    /// Removes a backup; `None` if it is not here.
    ///
    /// # Errors
    /// [`BackupError::Io`].
    pub async fn remove(&self, name: BackupName) -> Result<Option<BackupInfo>, BackupError> {
        let removed = self.shared.in_folder(move |folder| folder.remove(name)).await;
        self.look().await;
        removed
    }

    /// What came of backups. [`Self::look`] brings up to date what lies in the folder.
    #[must_use]
    pub fn gauge(&self) -> BackupGauge {
        self.shared.gauge().clone()
    }

    /// Looks which backups there are: others may have come and gone. A folder that can not be read is told in the log.
    pub async fn look(&self) {
        self.shared.look().await;
    }

    /// Ends what is under way, of which nothing is left, and waits for that.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    pub(super) fn database(&self) -> &Database {
        &self.shared.parts.database
    }
}

impl Shared {
    fn gauge(&self) -> std::sync::MutexGuard<'_, BackupGauge> {
        // Numbers; a panic leaves none of them half written.
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn make_unless_stopped(
        &self,
        session: BackupSession,
        passphrase: Option<SecretString>,
    ) -> Result<BackupInfo, BackupError> {
        let begun = Instant::now();
        let mut stopped = self.stop.subscribe();
        let made = tokio::select! {
            made = self.make(&session, passphrase) => made,
            _ = stopped.wait_for(|stopped| *stopped) => Err(BackupError::Stopping),
        };
        drop(session);
        self.note(&made, begun.elapsed()).await;
        made
    }

    async fn make(
        &self,
        session: &BackupSession,
        passphrase: Option<SecretString>,
    ) -> Result<BackupInfo, BackupError> {
        let passphrase = passphrase.or_else(|| self.parts.passphrase.clone());
        let name = BackupName::new(Utc::now(), passphrase.is_some());
        self.in_folder(BackupFolder::prepare).await?;
        // Nothing of what the snapshot shows is removed from the disk meanwhile.
        let _held = self.parts.archives.hold_references().await;
        let snapshot = session.snapshot().await?;
        let postgres = snapshot.postgres;
        let clients = blocking(move || Ok(PostgresClients::find(postgres)?)).await?;
        // Without a name: whatever happens, nothing is left of it.
        let dump = self
            .in_folder(|folder| tempfile::tempfile_in(folder.path()))
            .await?;
        let out = dump
            .try_clone()
            .map_err(|error| BackupError::io(self.folder.path(), error))?;
        clients
            .dump(&self.parts.spawner, &self.parts.url, &snapshot.id, ASIDE, out)
            .await
            .map_err(|error| self.explained(error))?;

        let (archives, data) = (self.parts.archives.clone(), self.parts.data.clone());
        let (folder, stopped) = (self.folder.clone(), Arc::clone(&self.stopped));
        let keep = self.parts.keep;
        let (info, gone) = blocking(move || {
            let contents = contents(&snapshot, dump, archives, &data, passphrase.is_some())?;
            let info = write_file(&folder, name, contents, passphrase.as_ref(), &stopped)?;
            let gone = folder
                .keep(keep)
                .map_err(|error| BackupError::io(folder.path(), error))?;
            Ok((info, gone))
        })
        .await?;
        for name in gone {
            tracing::info!(%name, "removed a backup beyond the newest {keep}");
        }
        Ok(info)
    }

    /// A full disk looks like a failure of the program that met it.
    fn explained(&self, error: crate::postgres::ClientError) -> BackupError {
        if error.to_string().contains("No space left on device") {
            return BackupError::NoRoom(self.folder.path().to_owned());
        }
        error.into()
    }

    async fn note(&self, made: &Result<BackupInfo, BackupError>, took: Duration) {
        match made {
            Ok(info) => {
                {
                    let mut gauge = self.gauge();
                    gauge.made += 1;
                    gauge.last_duration = Some(took);
                }
                let seconds = took.as_secs_f64();
                tracing::info!(name = info.name, bytes = info.bytes, seconds, "made a backup");
            }
            Err(error) => {
                self.gauge().failed += 1;
                tracing::error!(%error, "a backup failed");
            }
        }
        self.look().await;
    }

    async fn look(&self) {
        match self.in_folder(BackupFolder::list).await {
            Ok(found) => {
                let mut gauge = self.gauge();
                gauge.kept = found.len();
                gauge.last_success = found.first().map(|newest| newest.created);
                gauge.last_bytes = found.first().map(|newest| newest.bytes);
            }
            Err(error) => tracing::warn!(%error, "the folder of backups can not be read"),
        }
    }

    async fn in_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BackupFolder) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, BackupError> {
        let folder = self.folder.clone();
        blocking(move || work(&folder).map_err(|error| BackupError::io(folder.path(), error))).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(BackupError::Lost(error.to_string())))
}

/// Finds everything that goes into the file.
fn contents(
    snapshot: &Snapshot,
    dump: File,
    archives: DiskArchiveStore,
    data: &Path,
    encrypted: bool,
) -> Result<Contents, BackupError> {
    let (mut packages, mut missing): (Vec<ArchiveDigest>, _) = (Vec::new(), Vec::new());
    for digest in &snapshot.archives {
        match archives.has_zip(*digest) {
            Ok(true) => packages.push(*digest),
            Ok(false) => missing.push(digest.to_string()),
            Err(error) => return Err(BackupError::io(data, error)),
        }
    }
    if !missing.is_empty() {
        let packages = missing.len();
        tracing::warn!(
            packages,
            "versions refer to packages that are not on the disk: the backup is without them"
        );
    }
    let secrets = if encrypted {
        secrets::read(data).map_err(|error| BackupError::io(data, error))?
    } else {
        Vec::new()
    };
    Ok(Contents {
        manifest: Manifest {
            format: FORMAT,
            jobber: env!("CARGO_PKG_VERSION").to_owned(),
            created: snapshot.taken,
            postgres: snapshot.postgres,
            schema: snapshot.schema,
            archives: packages.len() as u64,
            missing_archives: missing,
            keys: snapshot.keys.iter().map(ToString::to_string).collect(),
            has_secrets: !secrets.is_empty(),
        },
        dump,
        archives: Box::new(
            packages
                .into_iter()
                .map(move |digest| Ok((digest, archives.open_zip(digest)?))),
        ),
        secrets,
    })
}

/// Writes the file, reads it again, and only then gives it its name.
fn write_file(
    folder: &BackupFolder,
    name: BackupName,
    contents: Contents,
    passphrase: Option<&SecretString>,
    stopped: &AtomicBool,
) -> Result<BackupInfo, BackupError> {
    let failed = |error| BackupError::io(folder.path(), error);
    let file = folder.begin().map_err(failed)?;
    let out = file.as_file().try_clone().map_err(failed)?;
    write::write(out, contents, passphrase, stopped).map_err(failed)?;
    let written = File::open(file.path()).map_err(failed)?;
    verify(written, passphrase).map_err(BackupError::Unverified)?;
    folder.complete(file, name).map_err(failed)
}
