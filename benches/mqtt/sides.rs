//! The two that are compared.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cost::Processes;
use crate::support::bare::{Bare, FOLDER};
use crate::support::dev::{Dev, Package, Runner};
use crate::support::http::Http;
use crate::support::processes::{docker, eventually};

/// Until a container has been started and its program answers, or ended.
const CHANGE: Duration = Duration::from_secs(60);

/// Both topics have the same length.
const JOBBER_TOPIC: &str = "bench/jobber";
const CLIENT_TOPIC: &str = "bench/client";

const JOB: &str = "bench-mqtt";

/// What a side has counted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    pub(crate) handled: u64,
    /// By its own clock, in milliseconds.
    pub(crate) now: f64,
    /// When the last message was handled.
    pub(crate) last_at: f64,
    /// Bytes of its payload.
    pub(crate) last_bytes: usize,
    /// When every thousandth message was handled.
    #[serde(default)]
    pub(crate) marks: Vec<f64>,
}

/// Something that handles messages.
pub(crate) trait Side {
    fn name(&self) -> &'static str;

    /// Its messages' topic.
    fn topic(&self) -> &'static str;

    /// Lets its program end. The broker keeps the session, and what comes for it.
    fn leave(&mut self) -> Result<()>;

    /// Starts its program, which has counted nothing.
    fn come(&mut self) -> Result<()>;

    /// What its program has counted: at `/count`, or with the marks at `/marks`.
    fn counts(&self, path: &str) -> Result<Counts>;

    /// What its messages go through.
    fn processes(&self) -> Result<Processes>;

    /// Messages that reached it and were dropped, since it was started for the first time.
    fn dropped(&self) -> Result<u64>;
}

/// A function in one Docker runner.
pub(crate) struct Jobber {
    // Ends before its folder is removed.
    dev: Dev,
    _folder: TempDir,
}

impl Jobber {
    /// Starts it before its broker, which will listen on this port.
    pub(crate) fn start(broker_port: u16, version: &str, concurrency: u32, record: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let package = Package {
            name: JOB.to_owned(),
            manifest: manifest(broker_port, version, concurrency).to_string(),
            files: vec![
                ("function.mjs", include_str!("function.mjs")),
                ("count.mjs", include_str!("count.mjs")),
            ],
        };
        let package = package.write(folder.path())?;
        let options = [("LEDGER_ENABLED", if record { "true" } else { "false" })];
        let data = folder.path().join("data");
        let dev = Dev::start_with(&options, "docker", &data, &[package])?;
        let jobber = Self { dev, _folder: folder };
        jobber.dev.eventually(CHANGE, || jobber.counts("/count"))?;
        Ok(jobber)
    }

    /// The function's container.
    pub(crate) fn runner(&self) -> Result<Runner> {
        self.dev.runner(JOB)
    }

    /// Waits until it is subscribed.
    pub(crate) fn subscribed(&self) -> Result<()> {
        self.dev.eventually(CHANGE, || {
            let trigger = self.trigger()?;
            ensure!(trigger["status"] == "healthy", "the trigger: {trigger}");
            Ok(())
        })
    }

    fn trigger(&self) -> Result<Value> {
        self.dev.api(&format!("job/{JOB}/triggers/messages/status"))
    }

    fn enable(&self, status: &str) -> Result<()> {
        self.dev
            .change(&format!("job/{JOB}"), &json!({ "status": status }))
    }

    /// Whether it has a connection to a broker.
    fn is_connected(&self) -> Result<bool> {
        let tree = self.dev.api("debug/tree")?.to_string();
        Ok(tree.contains(r#""kind":"mqtt-connection""#))
    }
}

fn manifest(broker_port: u16, version: &str, concurrency: u32) -> Value {
    json!({
        "name": JOB,
        "version": "1.0.0",
        "type": "module",
        "main": "./function.mjs",
        "engines": { "node": "24" },
        "action": {
            "runnerMinCount": 1,
            "runnerMaxCount": 1,
            "runnerMaxAge": 3600,
            "runnerMaxAgeHard": 0,
            "concurrency": concurrency,
        },
        "triggers": [
            {
                "type": "mqtt",
                "name": "messages",
                "topics": [JOBBER_TOPIC],
                "qos": 1,
                "connection": { "host": "127.0.0.1", "port": broker_port, "version": version },
            },
            { "type": "http", "name": "count", "path": "/count" },
            { "type": "http", "name": "marks", "path": "/marks" },
        ],
    })
}

impl Side for Jobber {
    fn name(&self) -> &'static str {
        "jobber"
    }

    fn topic(&self) -> &'static str {
        JOBBER_TOPIC
    }

    fn leave(&mut self) -> Result<()> {
        self.enable("disabled")?;
        self.dev.eventually(CHANGE, || {
            ensure!(!self.is_connected()?, "jobber does not leave the broker");
            Ok(())
        })
    }

    fn come(&mut self) -> Result<()> {
        self.enable("enabled")
    }

    fn counts(&self, path: &str) -> Result<Counts> {
        Ok(serde_json::from_value(self.dev.ask(path)?)?)
    }

    fn processes(&self) -> Result<Processes> {
        Ok(Processes {
            server: Some(self.dev.process()),
            function: self.runner()?.process,
        })
    }

    fn dropped(&self) -> Result<u64> {
        let trigger = self.trigger()?;
        let dropped = &trigger["details"]["connections"][0]["messages"]["dropped"];
        dropped
            .as_u64()
            .with_context(|| format!("no count of dropped messages in {trigger}"))
    }
}

/// The client of the package `mqtt` for Node.
pub(crate) struct Client {
    like: Runner,
    /// The broker, as containers see it.
    broker: String,
    version: &'static str,
    http: Http,
    container: Option<Bare>,
}

impl Client {
    pub(crate) fn new(like: Runner, broker_port: u16, version: &str) -> Result<Self> {
        let broker = format!("mqtt://{}:{broker_port}", host_on(&like.network)?);
        Ok(Self {
            like,
            broker,
            version: if version == "5" { "5" } else { "4" },
            http: Http::new()?,
            container: None,
        })
    }
}

/// This machine's address for containers on a network.
pub(crate) fn host_on(network: &str) -> Result<IpAddr> {
    let format = "{{range .IPAM.Config}}{{.Gateway}}{{end}}";
    let address = docker(&["network", "inspect", "--format", format, network])?;
    address
        .parse()
        .with_context(|| format!("the network {network} has no address of this machine"))
}

impl Side for Client {
    fn name(&self) -> &'static str {
        "client"
    }

    fn topic(&self) -> &'static str {
        CLIENT_TOPIC
    }

    fn leave(&mut self) -> Result<()> {
        self.container = None;
        Ok(())
    }

    fn come(&mut self) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/mqtt");
        let program = format!("{FOLDER}/client.mjs");
        let arguments = [&program, &self.broker, CLIENT_TOPIC, CLIENT_TOPIC, self.version];
        self.container = Some(Bare::start(&self.like, Some(&folder), &arguments)?);
        eventually(CHANGE, || self.counts("/count")).map(drop)
    }

    fn counts(&self, path: &str) -> Result<Counts> {
        let container = self.container.as_ref().context("the client is away")?;
        let answer = self
            .http
            .get(&format!("http://{}{path}", container.address()), None)?;
        Ok(serde_json::from_value(answer)?)
    }

    fn processes(&self) -> Result<Processes> {
        let container = self.container.as_ref().context("the client is away")?;
        Ok(Processes {
            server: None,
            function: container.process()?,
        })
    }

    fn dropped(&self) -> Result<u64> {
        // It reads no faster than it handles; what it has not read waits at the broker.
        Ok(0)
    }
}
