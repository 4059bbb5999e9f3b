//! Programs of Postgres that are installed: those that dump and restore a database, and a private server for `jobber dev` and for
//! tests. That one is started from the programs that are installed, listening on
//! loopback only, with a password of its own, in a data directory of its own.
//!
//! Postgres refuses to run as root, and as another user it could not reach a directory that only root may enter. So as
//! root it is started in a user namespace in which root is an ordinary user (`unshare --user --map-user`).

mod clients;
mod leftover;
mod programs;
mod server;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::RngCore;
use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};

use crate::child::{ChildProcess, Spawner, free_port, make_private_folder, read_capped};

pub use clients::{ClientError, PostgresClients};
pub use programs::{PostgresPrograms, ProgramsError};

/// The role that owns everything, and the database it connects to.
const USER: &str = "jobber";
const DATABASE: &str = "jobber";
/// Characters of the password; hexadecimal, so that it needs no quoting anywhere.
const PASSWORD_BYTES: usize = 24;
const MAX_PASSWORD_FILE_BYTES: u64 = 256;
/// How long a fast shutdown may take before it becomes an immediate one, and that before it becomes a kill.
const FAST_SHUTDOWN: Duration = Duration::from_secs(20);
const IMMEDIATE_SHUTDOWN: Duration = Duration::from_secs(5);
/// Starts on a port that someone else took between asking and binding.
const PORT_ATTEMPTS: u32 = 5;

/// Why there is no Postgres.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The programs are not installed, or can not be used.
    #[error(transparent)]
    Programs(#[from] ProgramsError),
    /// The data directory can not be made or read.
    #[error("the directory {} can not be used: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server that still runs on these data does not end.
    #[error("the Postgres of an earlier start (process {pid}) does not end")]
    StillRunning {
        /// Its process.
        pid: u32,
    },
    /// `initdb` failed.
    #[error("initdb failed: {0}")]
    Init(String),
    /// The server did not start, or ended while it started.
    #[error("Postgres did not start: {reason}\n{log}")]
    Start {
        /// What was seen.
        reason: String,
        /// The end of its log.
        log: String,
    },
}

/// A running Postgres that belongs to this process. Stop it with [`stop`](Self::stop); dropped, it is told to shut down
/// and waited for; if this process is killed, the kernel tells it.
pub struct EmbeddedPostgres {
    server: Option<ChildProcess>,
    port: u16,
    password: SecretString,
    folder: PathBuf,
}

impl fmt::Debug for EmbeddedPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedPostgres")
            .field("folder", &self.folder)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl EmbeddedPostgres {
    /// Starts a Postgres on the data in `folder`, which is made if need be, on a free port of 127.0.0.1. What an earlier
    /// server left there is ended or recovered first. Returns once it takes connections.
    ///
    /// # Errors
    /// [`PostgresError`]; then nothing keeps running.
    pub async fn start(folder: &Path, spawner: &Spawner) -> Result<Self, PostgresError> {
        let directory = |source| PostgresError::Directory {
            path: folder.to_owned(),
            source,
        };
        let folder = std::path::absolute(folder).map_err(directory)?;
        make_private_folder(&folder).map_err(directory)?;
        let programs = PostgresPrograms::find()?;
        leftover::end(&folder.join("data")).await?;
        let password = server::initialise(&programs, &folder, spawner).await?;

        let mut attempt = 1;
        let (server, port) = loop {
            let port = free_port().map_err(directory)?;
            match server::start(&programs, &folder, port, &password, spawner).await {
                Ok(server) => break (server, port),
                Err(PostgresError::Start { reason, log })
                    if attempt < PORT_ATTEMPTS && server::is_worth_another_try(&log) =>
                {
                    tracing::debug!(reason, attempt, "Postgres did not start; trying again");
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        };
        tracing::debug!(port, folder = %folder.display(), "the private Postgres is up");
        Ok(Self {
            server: Some(server),
            port,
            password,
            folder,
        })
    }

    /// How to connect to it: a URL with the password.
    #[must_use]
    pub fn url(&self) -> SecretString {
        self.database_url(DATABASE)
    }

    /// How to connect to another database of it.
    #[must_use]
    pub fn database_url(&self, database: &str) -> SecretString {
        let password = self.password.expose_secret();
        format!(
            "postgresql://{USER}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
        .into()
    }

    /// Waits until the server is over, which it is not while all is well.
    ///
    /// # Errors
    /// When the process can not be watched.
    pub async fn ended(&self) -> io::Result<()> {
        match &self.server {
            Some(server) => server.ended().await,
            None => Ok(()),
        }
    }

    /// Shuts it down: clients are disconnected, a checkpoint is written.
    ///
    /// # Errors
    /// When the process can not be signalled or reaped.
    pub async fn stop(mut self) -> io::Result<()> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        for (signal, wait) in [(Signal::INT, FAST_SHUTDOWN), (Signal::QUIT, IMMEDIATE_SHUTDOWN)] {
            server.signal(signal)?;
            if let Ok(ended) = tokio::time::timeout(wait, server.ended()).await {
                ended?;
                break;
            }
        }
        // Kills what is left of the group, which after a proper shutdown is nothing.
        server.finish().map(drop)
    }
}

impl Drop for EmbeddedPostgres {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else {
            return;
        };
        if let Err(error) = server.signal(Signal::INT) {
            tracing::warn!(%error, "the private Postgres could not be told to shut down");
        }
        // In time or not, `server`'s own destructor then kills what is left and reaps it.
        if !server.wait_blocking(IMMEDIATE_SHUTDOWN) {
            tracing::warn!("the private Postgres did not shut down in time; the next start recovers it");
        }
    }
}

fn new_password() -> String {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn read_password(path: &Path) -> io::Result<SecretString> {
    Ok(read_capped(path, MAX_PASSWORD_FILE_BYTES)?
        .trim()
        .to_owned()
        .into())
}

#[cfg(test)]
mod tests;
