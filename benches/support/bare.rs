//! The yardstick: a Node program with nothing around it, in the same image as a runner, on its network, under its limits.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::Result;

use super::dev::Runner;
use super::processes::docker;

/// The port on which the program is to listen.
const PORT: u16 = 8080;
/// Where the program finds a folder that it is given.
pub(crate) const FOLDER: &str = "/bench";

/// A running container.
pub(crate) struct Bare {
    container: String,
    address: SocketAddr,
}

impl Bare {
    /// Starts `node` with these arguments. It may not listen yet.
    pub(crate) fn start(like: &Runner, folder: Option<&Path>, program: &[&str]) -> Result<Self> {
        let (memory, cpus) = (like.memory.to_string(), (like.nano_cpus as f64 / 1e9).to_string());
        let volume = folder.map(|folder| format!("{}:{FOLDER}:ro", folder.display()));
        let mut arguments = vec![
            "run",
            "--detach",
            "--rm",
            "--init",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--network",
            &like.network,
            "--memory",
            &memory,
            "--cpus",
            &cpus,
            "--entrypoint",
            "node",
        ];
        if let Some(volume) = &volume {
            arguments.extend(["--volume", volume]);
        }
        arguments.push(&like.image);
        arguments.extend(program);
        let container = docker(&arguments)?;
        // From here on the container is removed whatever happens.
        let mut bare = Self {
            container,
            address: SocketAddr::from(([0, 0, 0, 0], PORT)),
        };
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address: IpAddr = docker(&["inspect", "--format", format, &bare.container])?.parse()?;
        bare.address = SocketAddr::new(address, PORT);
        Ok(bare)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The container's first process.
    pub(crate) fn process(&self) -> Result<u32> {
        Ok(docker(&["inspect", "--format", "{{.State.Pid}}", &self.container])?.parse()?)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Nothing can be done about a daemon that does not listen; the container goes with `--rm` when it ends.
        drop(docker(&["rm", "--force", &self.container]));
    }
}
