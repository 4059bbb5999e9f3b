//! A whole server in a process of its own: `jobber dev` with runners that are child processes.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::{BOUND, client};

const MANIFEST: &str = r#"{
  "name": "traced", "version": "1.0.0", "type": "module", "main": "./index.js",
  "triggers": [
    {"type": "http", "name": "by-http", "path": "/traced"},
    {"type": "schedule", "name": "by-schedule", "cron": "* * * * * *"}
  ]
}"#;
const MODULE: &str = "export function handler(request, response, context) {
  if (request.type() === 'schedule') return;
  if (request.query('fail') !== null) throw new RangeError('as asked');
  response.json({ traceparent: context.traceparent, header: request.header('traceparent') });
}";

/// A running server.
pub(crate) struct Server {
    pub(crate) gateway: String,
    pub(crate) client: Client,
    process: Child,
    folder: TempDir,
}

impl Server {
    /// A server with these variables, once it answers.
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Self {
        let (mut process, folder) = spawn(environment);
        let about = folder.path().join("data/dev.json");
        let began = Instant::now();
        let gateway = loop {
            // It is written as a whole, before the package is published.
            if let Ok(text) = fs::read_to_string(&about) {
                let about: Value = serde_json::from_str(&text).unwrap();
                break about["gateway"].as_str().unwrap().to_owned();
            }
            let ended = process.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < BOUND,
                "it did not start:\n{}",
                log(folder.path())
            );
            sleep(super::Duration::from_millis(20)).await;
        };
        let client = client();
        let answers = async {
            while client
                .get(format!("{gateway}/traced"))
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 404)
            {
                sleep(super::Duration::from_millis(20)).await;
            }
        };
        let answered = timeout(BOUND, answers).await;
        answered.unwrap_or_else(|_| panic!("nothing is published:\n{}", log(folder.path())));
        Self {
            gateway: gateway.trim_end_matches('/').to_owned(),
            client,
            process,
            folder,
        }
    }

    /// What a server says that does not start with these variables.
    pub(crate) async fn refused(environment: &[(&str, &str)]) -> String {
        let (mut process, folder) = spawn(environment);
        let status = process.wait().await.unwrap();
        let log = log(folder.path());
        assert!(!status.success(), "{log}");
        log
    }

    /// Asks it to end, and waits until it has. Gives its log.
    pub(crate) async fn stop(mut self) -> String {
        let pid = i32::try_from(self.process.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
        let ended = timeout(BOUND, self.process.wait()).await;
        let log = log(self.folder.path());
        let status = ended
            .unwrap_or_else(|_| panic!("it does not end:\n{log}"))
            .unwrap();
        assert!(status.success(), "{status}:\n{log}");
        log
    }
}

fn spawn(environment: &[(&str, &str)]) -> (Child, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("package");
    fs::create_dir(&package).unwrap();
    fs::write(package.join("package.json"), MANIFEST).unwrap();
    fs::write(package.join("index.js"), MODULE).unwrap();
    // It ends with the test, however that ends.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM", env!("CARGO_BIN_EXE_jobber"), "dev"])
        .arg(&package)
        .arg("--data")
        .arg(folder.path().join("data"))
        .args(["--admin-port", "0", "--gateway-port", "0", "--manager-port", "0"])
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.path().join("log")).unwrap())
        .kill_on_drop(true);
    (command.spawn().unwrap(), folder)
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap()
}
