//! The broker: a Mosquitto that drops nothing and keeps nothing on disk.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::support::processes::{Ended, eventually};

const START: Duration = Duration::from_secs(10);

/// A running broker.
pub(crate) struct Broker {
    process: Ended,
    port: u16,
}

impl Broker {
    /// A port of this machine for a broker, which is to be started later.
    pub(crate) fn free_port() -> Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(listener.local_addr()?.port())
    }

    /// Starts it for this machine, and for the containers to which the machine has the address `host`.
    pub(crate) fn start(folder: &Path, port: u16, host: IpAddr) -> Result<Self> {
        let (configuration, log) = (folder.join("mosquitto.conf"), folder.join("mosquitto.log"));
        fs::write(&configuration, text(port, host))?;
        let log = File::create(log)?;
        let search = std::env::var("PATH").unwrap_or_default();
        let process = Command::new("mosquitto")
            .arg("-c")
            .arg(&configuration)
            // Where distributions keep servers.
            .env("PATH", format!("{search}:/usr/sbin"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting mosquitto")?;
        let broker = Self {
            process: Ended(process),
            port,
        };
        eventually(START, || {
            TcpStream::connect(broker.address()).context("mosquitto does not listen")
        })?;
        Ok(broker)
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

fn text(port: u16, host: IpAddr) -> String {
    let mut lines = vec![
        format!("listener {port} 127.0.0.1"),
        format!("listener {port} {host}"),
        "allow_anonymous true".to_owned(),
        // No limit.
        "max_queued_messages 0".to_owned(),
        "max_inflight_messages 1000".to_owned(),
        "persistence false".to_owned(),
        "log_dest stderr".to_owned(),
        "log_type error".to_owned(),
        "log_type warning".to_owned(),
    ];
    if rustix::process::geteuid().is_root() {
        lines.push("user root".to_owned());
    }
    lines.join("\n") + "\n"
}
