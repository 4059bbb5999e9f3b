//! Configuring the program, starting it, and knowing that it is up.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::{MosquittoError, MosquittoSettings};
use crate::child::{
    ChildProcess, DeathSignal, ProcessIdentity, Spawner, find_program, is_executable, log_tail,
    make_private_folder, open_log, read_capped,
};

/// Where distributions keep servers, which is not on every user's `PATH`.
const SERVERS: &str = "/usr/sbin/mosquitto";
/// Long enough to load what millions of messages leave.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// Requests to end, for what an earlier start left, each with the time given to follow it.
const REQUESTS: [(Signal, Duration); 2] = [
    (Signal::TERM, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(5)),
];
/// Most bytes that the broker may use; it refuses messages before it takes more.
const MEMORY_BYTES: u32 = 256 << 20;
/// Most messages on their way to one client. MQTT 3.1.1 has no other way to bound them.
const MAX_INFLIGHT: u16 = 1_000;
/// Most messages that wait for one client.
const MAX_QUEUED: u32 = 1_000_000_000;
/// Most bytes of the file that names the process, and of the kernel's table of TCP sockets.
const MAX_IDENTITY_BYTES: u64 = 4096;
const MAX_SOCKET_TABLE_BYTES: u64 = 16 << 20;

/// The program.
pub(super) fn find() -> Result<PathBuf, MosquittoError> {
    find_program("mosquitto")
        .or_else(|| Some(PathBuf::from(SERVERS)).filter(|path| is_executable(path)))
        .ok_or(MosquittoError::Missing)
}

/// Makes the folder and returns its whole path.
pub(super) fn prepare(folder: &Path) -> Result<PathBuf, MosquittoError> {
    let make = || -> io::Result<PathBuf> {
        let folder = std::path::absolute(folder)?;
        // It stands in a line of the configuration.
        if folder.to_str().is_none_or(|path| path.contains(char::is_control)) {
            return Err(io::Error::other("its name is not plain text"));
        }
        make_private_folder(&folder)?;
        Ok(folder)
    };
    make().map_err(|source| MosquittoError::Directory {
        path: folder.to_owned(),
        source,
    })
}

/// Ends the broker that may still run on these data: with `setpriv` it is on its way out already, without it it goes on
/// until now.
pub(super) async fn end_leftover(folder: &Path) -> Result<(), MosquittoError> {
    let written = read_capped(&identity_file(folder), MAX_IDENTITY_BYTES).ok();
    let Some(process) = written.and_then(|text| serde_json::from_str::<ProcessIdentity>(&text).ok()) else {
        return Ok(());
    };
    for (signal, wait) in REQUESTS {
        if let Err(error) = process.signal(signal) {
            tracing::warn!(pid = process.pid, %error, "the earlier Mosquitto could not be signalled");
        }
        let deadline = Instant::now() + wait;
        while process.is_running() && Instant::now() < deadline {
            sleep(POLL).await;
        }
        if !process.is_running() {
            return Ok(());
        }
    }
    Err(MosquittoError::StillRunning { pid: process.pid })
}

/// Starts the broker and waits until it listens.
pub(super) async fn start(
    program: &Path,
    folder: &Path,
    port: u16,
    settings: &MosquittoSettings,
    spawner: &Spawner,
) -> Result<ChildProcess, MosquittoError> {
    let failed = |source| MosquittoError::Directory {
        path: folder.to_owned(),
        source,
    };
    let log = folder.join("mosquitto.log");
    let configuration = folder.join("mosquitto.conf");
    std::fs::write(&configuration, configuration_text(folder, port, settings)).map_err(failed)?;
    let output = open_log(&log).map_err(failed)?;
    let logged_before = output.metadata().map_err(failed)?.len();
    let mut command = spawner.command(program, DeathSignal::Interrupt);
    command
        .arg("-c")
        .arg(&configuration)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output);
    let not_started = |reason: String| MosquittoError::Start {
        reason,
        log: log_tail(&log),
    };
    let mut server = spawner
        .spawn(command)
        .await
        .map_err(|error| not_started(error.to_string()))?;
    let identity = server.identity().map_err(failed)?;
    let written = serde_json::to_vec(&identity).map_err(|error| failed(error.into()))?;
    std::fs::write(identity_file(folder), written).map_err(failed)?;

    let ports = ports(port, settings);
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let ended = server
            .try_reap()
            .map_err(|error| not_started(error.to_string()))?;
        if let Some(status) = ended {
            let length = log.metadata().map_err(failed)?.len();
            let said = log_tail(&log);
            let new = usize::try_from(length.saturating_sub(logged_before)).unwrap_or(usize::MAX);
            let new = said.get(said.len().saturating_sub(new)..).unwrap_or(&said);
            return Err(if new.contains("Address already in use") {
                MosquittoError::PortTaken { log: new.to_owned() }
            } else {
                not_started(format!("it ended with {status}"))
            });
        }
        if ports.iter().all(|port| listens(server.id(), *port)) {
            return Ok(server);
        }
        if Instant::now() > deadline {
            return Err(not_started("it takes no connections".to_owned()));
        }
        sleep(POLL).await;
    }
}

fn identity_file(folder: &Path) -> PathBuf {
    folder.join("process.json")
}

fn configuration_text(folder: &Path, port: u16, settings: &MosquittoSettings) -> String {
    let mut lines = vec![
        format!("listener {port} 127.0.0.1"),
        format!("allow_anonymous {}", settings.anonymous),
        // As good as none: the memory is the limit. With 0, which says so, Mosquitto 2.0 ends a connection whose
        // message an access list forbids.
        format!("max_queued_messages {MAX_QUEUED}"),
        format!("max_inflight_messages {MAX_INFLIGHT}"),
        format!("memory_limit {MEMORY_BYTES}"),
        "persistence true".to_owned(),
        format!("persistence_location {}/", folder.display()),
        // The least there is. In seconds; saving at each change instead would write all the data each time.
        "autosave_interval 1".to_owned(),
        "log_dest stderr".to_owned(),
        "log_timestamp_format %Y-%m-%dT%H:%M:%SZ".to_owned(),
        // Not `information`, which tells of each save.
        "log_type error".to_owned(),
        "log_type warning".to_owned(),
        "log_type notice".to_owned(),
    ];
    if rustix::process::geteuid().is_root() {
        // Otherwise it becomes the user `mosquitto`, who may not enter the folder.
        lines.push("user root".to_owned());
    }
    lines.extend(settings.lines.iter().cloned());
    lines.join("\n") + "\n"
}

/// All ports that it is to listen on.
fn ports(port: u16, settings: &MosquittoSettings) -> Vec<u16> {
    let further = settings
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("listener "))
        .filter_map(|listener| listener.split_ascii_whitespace().next()?.parse().ok());
    std::iter::once(port).chain(further).collect()
}

/// Whether this process listens on the port. That something takes connections there would not tell that it is the broker
/// and not whoever was quicker.
fn listens(pid: u32, port: u16) -> bool {
    let sockets: Vec<String> = ["tcp", "tcp6"]
        .iter()
        .filter_map(|table| {
            read_capped(
                Path::new(&format!("/proc/{pid}/net/{table}")),
                MAX_SOCKET_TABLE_BYTES,
            )
            .ok()
        })
        .flat_map(|table| {
            let sockets = table.lines().filter_map(|line| listening_socket(line, port));
            sockets
                .map(|inode| format!("socket:[{inode}]"))
                .collect::<Vec<_>>()
        })
        .collect();
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok())
        .any(|target| sockets.iter().any(|socket| target == Path::new(socket)))
}

/// The inode in a line of the kernel's table, if the line is of a socket that listens on the port.
fn listening_socket(line: &str, port: u16) -> Option<&str> {
    /// `TCP_LISTEN`.
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let is_wanted = u16::from_str_radix(local_port, 16) == Ok(port) && *fields.get(3)? == LISTEN;
    is_wanted.then(|| fields.get(9).copied()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_found_in_the_kernels_table() {
        let line = "   0: 0100007F:49D3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24187 1 0 100 0";
        assert_eq!(listening_socket(line, 18_899), Some("24187"));
        assert_eq!(listening_socket(line, 18_898), None);
        assert_eq!(listening_socket(&line.replace(" 0A ", " 01 "), 18_899), None);
    }

    #[test]
    fn a_process_listens_on_its_own_ports_only() {
        let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = own.local_addr().unwrap().port();
        assert!(listens(std::process::id(), port));
        drop(own);
        assert!(!listens(std::process::id(), port));
    }
}
