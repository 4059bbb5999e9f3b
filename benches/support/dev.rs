//! Jobber as its users run it: `jobber dev`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::http::Http;
use super::processes::{Ended, docker, eventually};

/// From the start of the program until its API answers: a Postgres is made.
const START: Duration = Duration::from_secs(60);

/// A package to publish.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: String,
    /// The code, by name.
    pub(crate) files: Vec<(&'static str, &'static str)>,
}

impl Package {
    /// Writes it into a folder of its own in `parent`.
    pub(crate) fn write(&self, parent: &Path) -> Result<PathBuf> {
        let folder = parent.join(&self.name);
        fs::create_dir(&folder)?;
        fs::write(folder.join("package.json"), &self.manifest)?;
        for (name, text) in &self.files {
            fs::write(folder.join(name), text)?;
        }
        Ok(folder)
    }
}

/// A running `jobber dev`.
pub(crate) struct Dev {
    process: Ended,
    file: DevFile,
    log: PathBuf,
    http: Http,
}

/// What `jobber dev` says about itself.
#[derive(Deserialize)]
struct DevFile {
    url: String,
    gateway: String,
    token: String,
}

/// The container that runs a function.
pub(crate) struct Runner {
    pub(crate) image: String,
    pub(crate) network: String,
    pub(crate) memory: u64,
    pub(crate) nano_cpus: u64,
    /// Its first process.
    pub(crate) process: u32,
}

impl Dev {
    /// Starts it on the data in `data` and returns once its API answers. The packages in `folders` are being published then.
    pub(crate) fn start(engine: &str, data: &Path, folders: &[PathBuf]) -> Result<Self> {
        Self::start_with(&[], engine, data, folders)
    }

    /// The same, with these options, as the environment has them.
    pub(crate) fn start_with(
        options: &[(&str, &str)],
        engine: &str,
        data: &Path,
        folders: &[PathBuf],
    ) -> Result<Self> {
        let log = data.with_extension("log");
        let output = File::create(&log)?;
        let process = Command::new(env!("CARGO_BIN_EXE_jobber"))
            .args(["dev", "--engine", engine])
            .args(["--admin-port", "0", "--gateway-port", "0", "--manager-port", "0"])
            .arg("--data")
            .arg(data)
            .args(folders)
            .envs(options.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("starting jobber dev")?;
        let process = Ended(process);
        let announced = || Ok(serde_json::from_slice(&fs::read(data.join("dev.json"))?)?);
        let file = eventually(START, announced)
            .with_context(|| format!("jobber dev does not start; it wrote:\n{}", text_of(&log)))?;
        Ok(Self {
            process,
            file,
            log,
            http: Http::new()?,
        })
    }

    /// The server's process.
    pub(crate) fn process(&self) -> u32 {
        self.process.0.id()
    }

    /// Asks by one connection from now on, as browsers and scripts do.
    pub(crate) fn keep_connection(&mut self) -> Result<()> {
        self.http = Http::keeping(1)?;
        Ok(())
    }

    /// Where functions answer.
    pub(crate) fn gateway(&self) -> Result<SocketAddr> {
        let address = self.file.gateway.trim_start_matches("http://");
        Ok(address.trim_end_matches('/').parse()?)
    }

    /// Tries until it works; after `time` the error says what the server wrote.
    pub(crate) fn eventually<T>(&self, time: Duration, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        eventually(time, attempt).with_context(|| format!("jobber dev wrote:\n{}", text_of(&self.log)))
    }

    /// What a function answers.
    pub(crate) fn ask(&self, path: &str) -> Result<Value> {
        self.http.get(&format!("{}{path}", self.file.gateway), None)
    }

    /// What the API says.
    pub(crate) fn api(&self, path: &str) -> Result<Value> {
        let url = format!("{}/api/{path}", self.file.url);
        let mut answer = self.http.get(&url, Some(&self.file.token))?;
        Ok(answer["data"].take())
    }

    /// Changes something by the API.
    pub(crate) fn change(&self, path: &str, change: &Value) -> Result<()> {
        let url = format!("{}/api/{path}", self.file.url);
        self.http.put(&url, Some(&self.file.token), change).map(drop)
    }

    /// Bytes of the server's resident memory (not of its Postgres).
    pub(crate) fn resident_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }

    /// The container of a job's function, so that a bare server gets the same.
    pub(crate) fn runner(&self, job: &str) -> Result<Runner> {
        let label = format!("label=jobber.job-name={job}");
        let id = docker(&["ps", "--latest", "--quiet", "--filter", &label])?;
        let format = "{{.Config.Image}}\n{{.HostConfig.NetworkMode}}\n{{.HostConfig.Memory}}\n{{.HostConfig.NanoCpus}}\n{{.State.Pid}}";
        let text = docker(&["inspect", "--format", format, &id])?;
        let mut lines = text.lines();
        let mut next = || lines.next().context("docker inspect says too little");
        Ok(Runner {
            image: next()?.to_owned(),
            network: next()?.to_owned(),
            memory: next()?.parse()?,
            nano_cpus: next()?.parse()?,
            process: next()?.parse()?,
        })
    }
}

fn text_of(log: &Path) -> String {
    fs::read(log).map_or_else(
        |error| error.to_string(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}
