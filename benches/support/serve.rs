//! Jobber as it is in production: `jobber serve`, with Docker and a Postgres of somebody else's.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use jobber::child::free_port;
use jobber::engine::docker::{ensure_bridge, remove_bridge};

use super::http::Http;
use super::processes::{Ended, eventually};

/// From the start of the program until its API answers.
const START: Duration = Duration::from_secs(60);
const DOCKER: &str = "unix:///var/run/docker.sock";

/// A running `jobber serve`.
pub(crate) struct Serve {
    // Ends before the network of its runners.
    _process: Ended,
    _network: Network,
    gateway: SocketAddr,
    admin: String,
    token: String,
    log: PathBuf,
    http: Http,
}

/// A Docker network that goes with this value.
struct Network {
    name: String,
    address: String,
}

impl Network {
    fn make(name: &str) -> Result<Self> {
        let name = format!("jobber-{name}");
        let address = runtime()?.block_on(ensure_bridge(DOCKER, &name, &name))?;
        Ok(Self {
            address: address.to_string(),
            name,
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let removed = runtime().map(|runtime| runtime.block_on(remove_bridge(DOCKER, &self.name)));
        assert!(
            matches!(removed, Ok(Ok(()))) || std::thread::panicking(),
            "the network {} is left",
            self.name
        );
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

impl Serve {
    /// Starts it with this name, data and database, and these variables besides. Returns once its API answers.
    pub(crate) fn start(
        name: &str,
        data: &Path,
        database: &str,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let network = Network::make(name)?;
        let (admin, gateway) = (free_port()?, free_port()?);
        let log = data.with_extension("log");
        let output = File::create(&log)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobber"));
        command
            .arg("serve")
            .env("JOBBER_NAME", name)
            .env("JOBBER_DATA", data)
            .env("DATABASE_URL", database)
            .env("ADMIN_BIND", "127.0.0.1")
            .env("ADMIN_PORT", admin.to_string())
            .env("GATEWAY_BIND", "127.0.0.1")
            .env("GATEWAY_PORT", gateway.to_string())
            .env("MANAGER_BIND", &network.address)
            .env("MANAGER_PORT", free_port()?.to_string())
            .env("MANAGER_HOST", &network.address)
            .env("RUNNER_CONTAINER_DOCKER_NETWORK", &network.name)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let process = Ended(command.spawn().context("starting jobber serve")?);
        let http = Http::new()?;
        let admin = format!("http://127.0.0.1:{admin}");
        eventually(START, || http.get(&format!("{admin}/readyz"), None))
            .with_context(|| format!("jobber serve does not start; its log is {}", log.display()))?;
        let token = fs::read_to_string(data.join("admin-token"))?.trim().to_owned();
        Ok(Self {
            _process: process,
            _network: network,
            gateway: SocketAddr::from(([127, 0, 0, 1], gateway)),
            admin,
            token,
            log,
            http,
        })
    }

    /// Where functions answer.
    pub(crate) fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Publishes a zip, and returns once it serves.
    pub(crate) fn publish(&self, zip: Vec<u8>) -> Result<()> {
        let url = format!("{}/api/job/publish", self.admin);
        self.http
            .upload(&url, &self.token, zip)
            .with_context(|| format!("publishing; the log is {}", self.log.display()))
            .map(drop)
    }
}
