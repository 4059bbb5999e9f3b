//! A private Mosquitto, an MQTT broker, for `jobber dev` and for tests: started from the program that is installed,
//! listening on loopback only, with its data in a folder of its own.
//!
//! A clean stop keeps everything: sessions, what is queued for them, retained messages. Mosquitto keeps them in memory and
//! saves them from time to time, here about every two seconds, so a broker that is killed forgets the last of that.

mod server;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::child::{ChildProcess, Spawner, free_port};

/// How long Mosquitto may take to save what it has before it is killed.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// Starts on a port that someone else took between asking and binding.
const PORT_ATTEMPTS: u32 = 5;

/// Why there is no Mosquitto.
#[derive(Debug, thiserror::Error)]
pub enum MosquittoError {
    /// The program is not installed.
    #[error(
        "the program `mosquitto`, an MQTT broker, is neither on the PATH nor in /usr/sbin. Debian, Ubuntu, Alpine: the \
         package `mosquitto`; Fedora: `dnf install mosquitto`"
    )]
    Missing,
    /// The folder can not be made, read or named in a configuration.
    #[error("the directory {} can not be used: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The broker that still runs on these data does not end.
    #[error("the Mosquitto of an earlier start (process {pid}) does not end")]
    StillRunning {
        /// Its process.
        pid: u32,
    },
    /// A port it was to listen on is taken.
    #[error("Mosquitto did not start: a port is taken\n{log}")]
    PortTaken {
        /// The end of its log.
        log: String,
    },
    /// It did not start, or ended while it started.
    #[error("Mosquitto did not start: {reason}\n{log}")]
    Start {
        /// What was seen.
        reason: String,
        /// The end of its log.
        log: String,
    },
}

/// How a broker differs from the usual.
#[derive(Clone, Debug)]
pub struct MosquittoSettings {
    /// The port to listen on; `None` for a free one.
    pub port: Option<u16>,
    /// Whether clients need no name and no password.
    pub anonymous: bool,
    /// Further lines of its configuration. A `listener` among them begins another listener, to which the lines behind it
    /// belong.
    pub lines: Vec<String>,
}

impl Default for MosquittoSettings {
    fn default() -> Self {
        Self {
            port: None,
            anonymous: true,
            lines: Vec::new(),
        }
    }
}

/// A running Mosquitto that belongs to this process. End it with [`stop`](Self::stop); dropped, it is told to end and
/// waited for; if this process is killed, the kernel tells it.
#[derive(Debug)]
pub struct Mosquitto {
    server: Option<ChildProcess>,
    port: u16,
}

impl Mosquitto {
    /// Starts a broker on the data in `folder`, which is made if need be, on this port of 127.0.0.1 or a free one. What
    /// an earlier broker left there is ended first and loaded. Returns once it takes connections.
    ///
    /// # Errors
    /// [`MosquittoError`]; then nothing keeps running.
    pub async fn start(folder: &Path, port: Option<u16>, spawner: &Spawner) -> Result<Self, MosquittoError> {
        let settings = MosquittoSettings {
            port,
            ..MosquittoSettings::default()
        };
        Self::start_with(folder, &settings, spawner).await
    }

    /// Starts a broker that differs from the usual.
    ///
    /// # Errors
    /// [`MosquittoError`]; then nothing keeps running.
    pub async fn start_with(
        folder: &Path,
        settings: &MosquittoSettings,
        spawner: &Spawner,
    ) -> Result<Self, MosquittoError> {
        let program = server::find()?;
        let folder = server::prepare(folder)?;
        server::end_leftover(&folder).await?;
        let mut attempt = 1;
        loop {
            let port = match settings.port {
                Some(port) => port,
                None => free_port().map_err(|source| MosquittoError::Directory {
                    path: folder.clone(),
                    source,
                })?,
            };
            match server::start(&program, &folder, port, settings, spawner).await {
                Ok(server) => {
                    tracing::debug!(port, folder = %folder.display(), "the private Mosquitto is up");
                    return Ok(Self {
                        server: Some(server),
                        port,
                    });
                }
                Err(MosquittoError::PortTaken { .. })
                    if settings.port.is_none() && settings.lines.is_empty() && attempt < PORT_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Waits until the broker is over, which it is not while all is well.
    ///
    /// # Errors
    /// When the process can not be watched.
    pub async fn ended(&self) -> io::Result<()> {
        match &self.server {
            Some(server) => server.ended().await,
            None => Ok(()),
        }
    }

    /// Ends it: clients are disconnected, what they have not received is saved.
    ///
    /// # Errors
    /// When the process can not be signalled or reaped.
    pub async fn stop(mut self) -> io::Result<()> {
        match self.server.take() {
            Some(mut server) => server.stop(Signal::TERM, SHUTDOWN).await.map(drop),
            None => Ok(()),
        }
    }

    /// Kills it, as a crash would: what it has not saved is lost.
    ///
    /// # Errors
    /// When the process can not be signalled or reaped.
    pub async fn kill(mut self) -> io::Result<()> {
        match self.server.take() {
            Some(mut server) => server.stop(Signal::KILL, SHUTDOWN).await.map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else {
            return;
        };
        if let Err(error) = server.signal(Signal::TERM) {
            tracing::warn!(%error, "the private Mosquitto could not be told to end");
        }
        // In time or not, `server`'s own destructor then kills what is left and reaps it.
        if !server.wait_blocking(SHUTDOWN) {
            tracing::warn!("the private Mosquitto did not end in time; what it had not saved is lost");
        }
    }
}

#[cfg(test)]
mod tests;
