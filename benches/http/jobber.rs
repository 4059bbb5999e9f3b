//! Jobber as its users run it: `jobber dev` with the Docker engine.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tempfile::TempDir;

use crate::processes::{Ended, docker, eventually};

/// From the start of the program to the first answer of the function: a Postgres is made, a container started.
const START: Duration = Duration::from_secs(90);

const JOB: &str = "bench-hello";

const PACKAGE: &str = r#"{
  "name": "bench-hello",
  "version": "1.0.0",
  "main": "./index.mjs",
  "engines": {"node": "24"},
  "action": {"runnerMinCount": 1, "runnerMaxCount": 1, "runnerMaxAge": 3600, "runnerMaxAgeHard": 0},
  "triggers": [{"type": "http", "path": "/hello"}]
}
"#;

const HANDLER: &str = r#"export const handler = (request, response) => response.text("Hello, world!");
"#;

/// A running `jobber dev`.
pub(crate) struct Jobber {
    // Ends before its folder is removed.
    process: Ended,
    gateway: SocketAddr,
    _folder: TempDir,
}

/// What `jobber dev` says about itself.
#[derive(Deserialize)]
struct DevFile {
    gateway: String,
}

/// The container that runs the function.
pub(crate) struct Runner {
    pub(crate) image: String,
    pub(crate) network: String,
    pub(crate) memory: u64,
    pub(crate) nano_cpus: u64,
}

impl Jobber {
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (package, data) = (folder.path().join(JOB), folder.path().join("data"));
        fs::create_dir(&package)?;
        fs::write(package.join("package.json"), PACKAGE)?;
        fs::write(package.join("index.mjs"), HANDLER)?;
        let log = folder.path().join("log");
        let output = File::create(&log)?;
        let process = Command::new(env!("CARGO_BIN_EXE_jobber"))
            .args(["dev", "--engine", "docker"])
            .args(["--admin-port", "0", "--gateway-port", "0", "--manager-port", "0"])
            .arg("--data")
            .arg(&data)
            .arg(&package)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("starting jobber dev")?;
        let process = Ended(process);
        let gateway = eventually(START, || answering_gateway(&data))
            .with_context(|| format!("jobber dev does not answer; it wrote:\n{}", text_of(&log)))?;
        Ok(Self {
            process,
            gateway,
            _folder: folder,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway
    }

    /// Bytes of the server's resident memory (not of its Postgres).
    pub(crate) fn resident_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// The function's container, so that the bare server gets the same.
    pub(crate) fn runner(&self) -> Result<Runner> {
        let id = docker(&[
            "ps",
            "--latest",
            "--quiet",
            "--filter",
            &format!("label=jobber.job-name={JOB}"),
        ])?;
        let format = "{{.Config.Image}}\n{{.HostConfig.NetworkMode}}\n{{.HostConfig.Memory}}\n{{.HostConfig.NanoCpus}}";
        let text = docker(&["inspect", "--format", format, &id])?;
        let mut lines = text.lines();
        let mut next = || lines.next().context("docker inspect says too little");
        Ok(Runner {
            image: next()?.to_owned(),
            network: next()?.to_owned(),
            memory: next()?.parse()?,
            nano_cpus: next()?.parse()?,
        })
    }
}

/// The gateway's address, once the function answers there.
fn answering_gateway(data: &Path) -> Result<SocketAddr> {
    let file: DevFile = serde_json::from_slice(&fs::read(data.join("dev.json"))?)?;
    let address = file
        .gateway
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()?;
    answers(address)?;
    Ok(address)
}

fn text_of(log: &Path) -> String {
    fs::read(log).map_or_else(
        |error| error.to_string(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// Whether something at this address answers `GET /hello` with 200.
pub(crate) fn answers(address: SocketAddr) -> Result<()> {
    crate::load::Load {
        address,
        path: "/hello",
        connections: 1,
    }
    .run(Duration::from_millis(1))
    .map(drop)
}
