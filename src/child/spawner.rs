//! The thread that starts the children.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use tokio::sync::{mpsc, oneshot};

use super::ChildProcess;

/// Starts that may wait for the thread; each takes about a millisecond.
const WAITING_STARTS: usize = 64;

/// What a child is sent when the server dies without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathSignal {
    /// Ends at once. For what keeps nothing.
    Kill,
    /// `SIGINT`, for what keeps data: Postgres and Mosquitto disconnect their clients, write what they have, end.
    Interrupt,
}

impl DeathSignal {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Interrupt => "INT",
        }
    }
}

struct Request {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts child processes from a thread that lives as long as any clone of this handle. When the last one is dropped
/// the thread ends, and with it every child that was given a death signal.
#[derive(Clone, Debug)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
    setpriv: Option<PathBuf>,
}

impl Spawner {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start() -> io::Result<Self> {
        let (requests, mut inbox) = mpsc::channel::<Request>(WAITING_STARTS);
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                while let Some(Request { mut command, reply }) = inbox.blocking_recv() {
                    // A caller that went away in the meantime gets its child killed by `ChildProcess`'s own drop or, if it
                    // never became one, here.
                    if let Err(Ok(mut orphan)) = reply.send(command.spawn()) {
                        let ended = orphan.kill().and_then(|()| orphan.wait());
                        tracing::debug!(?ended, "a child was started for someone who had gone");
                    }
                }
            })?;
        let setpriv = find_program("setpriv");
        if setpriv.is_none() {
            tracing::warn!(
                "`setpriv` (util-linux) is not on the PATH: if this server is killed, its child processes end only \
                 when the next server starts on the same data"
            );
        }
        Ok(Self { requests, setpriv })
    }

    /// A command that runs `program` in a process group of its own and sends it `signal` if the server dies.
    pub fn command(&self, program: impl AsRef<OsStr>, signal: DeathSignal) -> Command {
        let mut command = match &self.setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command
                    .arg("--pdeathsig")
                    .arg(signal.name())
                    .arg("--")
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        command.process_group(0);
        command
    }

    /// Starts a command made by [`Self::command`].
    ///
    /// # Errors
    /// When the program can not be started or watched.
    pub async fn spawn(&self, command: Command) -> io::Result<ChildProcess> {
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts child processes is gone");
        self.requests
            .send(Request { command, reply })
            .await
            .map_err(|_| gone())?;
        ChildProcess::adopt(answer.await.map_err(|_| gone())??)
    }
}

/// The program of this name on the server's `PATH`.
#[must_use]
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    std::env::var_os("PATH")
        .as_deref()
        .map(std::env::split_paths)
        .into_iter()
        .flatten()
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

/// Whether this is a file that may be executed by someone.
#[must_use]
pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
