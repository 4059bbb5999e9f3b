//! The yardstick: Node's own HTTP server, with nothing around it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use crate::jobber::{Runner, answers};
use crate::processes::{docker, eventually};

const PORT: u16 = 8080;

const SERVER: &str = r#"require("node:http").createServer((request, response) => {
  response.writeHead(200, {"content-type": "text/plain; charset=utf-8", "content-length": 13});
  response.end("Hello, world!");
}).listen(8080, "0.0.0.0");"#;

/// A running container of it.
pub(crate) struct BareNode {
    container: String,
    address: SocketAddr,
}

impl BareNode {
    /// In the function's image, on its network, under its limits.
    pub(crate) fn start(like: &Runner) -> Result<Self> {
        let (memory, cpus) = (like.memory.to_string(), (like.nano_cpus as f64 / 1e9).to_string());
        let arguments = [
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
            &like.image,
            "-e",
            SERVER,
        ];
        let container = docker(&arguments)?;
        // From here on the container is removed whatever happens.
        let mut node = Self {
            container,
            address: SocketAddr::from(([0, 0, 0, 0], PORT)),
        };
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address: IpAddr = docker(&["inspect", "--format", format, &node.container])?.parse()?;
        node.address = SocketAddr::new(address, PORT);
        eventually(Duration::from_secs(20), || answers(node.address))?;
        Ok(node)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for BareNode {
    fn drop(&mut self) {
        // Nothing can be done about a daemon that does not listen; the container goes with `--rm` when it ends.
        drop(docker(&["rm", "--force", &self.container]));
    }
}
