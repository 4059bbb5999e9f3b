//! Jobber's side: a hello function in one Docker runner.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::support::dev::{Dev, Package, Runner};
use crate::support::load::answers;

/// Until the first answer of the function: a container is started.
const START: Duration = Duration::from_secs(60);

const JOB: &str = "bench-hello";

const MANIFEST: &str = r#"{
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
    dev: Dev,
    gateway: SocketAddr,
    _folder: TempDir,
}

impl Jobber {
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let package = Package {
            name: JOB.to_owned(),
            manifest: MANIFEST.to_owned(),
            files: vec![("index.mjs", HANDLER)],
        };
        let package = package.write(folder.path())?;
        let dev = Dev::start("docker", &folder.path().join("data"), &[package])?;
        let gateway = dev.gateway()?;
        dev.eventually(START, || answers(gateway, "/hello"))?;
        Ok(Self {
            dev,
            gateway,
            _folder: folder,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway
    }

    /// Bytes of the server's resident memory.
    pub(crate) fn resident_memory(&self) -> Result<u64> {
        self.dev.resident_memory()
    }

    /// The function's container.
    pub(crate) fn runner(&self) -> Result<Runner> {
        self.dev.runner(JOB)
    }
}
