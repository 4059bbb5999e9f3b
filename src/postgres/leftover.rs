//! What a dead server left of its Postgres.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::PostgresError;
use crate::child::{ProcessIdentity, read_capped};

/// Most bytes of `postmaster.pid`.
const MAX_PID_FILE_BYTES: u64 = 4096;
/// The requests to end, from the polite to the last one, each with the time given to follow it.
const REQUESTS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(10)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// Ends the Postgres that may still run on these data. When its parent was killed it is on its way out already; without
/// `setpriv` it goes on until now. A `postmaster.pid` that names something else is removed, for Postgres would take a
/// stranger with that process id for its own.
pub(super) async fn end(data: &Path) -> Result<(), PostgresError> {
    let pid_file = data.join("postmaster.pid");
    let directory = |source| PostgresError::Directory {
        path: pid_file.clone(),
        source,
    };
    let text = match read_capped(&pid_file, MAX_PID_FILE_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(directory(error)),
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse::<u32>().ok());
    if let Some(postmaster) = pid.and_then(|pid| postmaster_of(pid, data)) {
        tracing::info!(pid = postmaster.pid, "ending the Postgres of an earlier start");
        end_process(postmaster).await?;
    }
    match std::fs::remove_file(&pid_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(directory(error)),
        _ => Ok(()),
    }
}

/// The process, if it runs in this data directory: Postgres makes it its working directory, hardly anyone else does.
fn postmaster_of(pid: u32, data: &Path) -> Option<ProcessIdentity> {
    let identity = ProcessIdentity::of(pid).ok()?;
    let working_directory = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (working_directory == data.canonicalize().ok()?).then_some(identity)
}

async fn end_process(postmaster: ProcessIdentity) -> Result<(), PostgresError> {
    for (signal, wait) in REQUESTS {
        if let Err(error) = postmaster.signal(signal) {
            tracing::warn!(pid = postmaster.pid, %error, "the earlier Postgres could not be signalled");
        }
        let deadline = Instant::now() + wait;
        while postmaster.is_running() && Instant::now() < deadline {
            sleep(Duration::from_millis(10)).await;
        }
        if !postmaster.is_running() {
            return Ok(());
        }
    }
    Err(PostgresError::StillRunning { pid: postmaster.pid })
}
