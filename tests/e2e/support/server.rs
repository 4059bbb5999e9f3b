//! A server of one's own, or the one that all share.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::process::ServerProcess;
use super::{Package, eventually};

const START_TIME: Duration = Duration::from_secs(60);
/// How long it may take until a trigger is as expected.
const TRIGGER_TIME: Duration = Duration::from_secs(30);

/// How a server is started.
#[derive(Clone)]
pub struct Options {
    /// `docker` or `process`.
    pub engine: &'static str,
    /// Folders to serve.
    pub folders: Vec<PathBuf>,
    /// Variables besides its own.
    pub environment: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: "docker",
            folders: Vec::new(),
            environment: Vec::new(),
        }
    }
}

/// A running `jobber dev`.
pub struct Server {
    /// The admin API.
    pub url: String,
    /// Where functions answer.
    pub gateway: String,
    pub client: Client,
    token: String,
    data: Arc<TempDir>,
    process: ServerProcess,
}

/// What publishing answered.
#[derive(Debug)]
pub struct Published {
    pub status: StatusCode,
    pub body: Value,
}

impl Published {
    /// The answer of a success.
    pub fn expect(self) -> Value {
        assert!(self.status.is_success(), "{}: {:#}", self.status, self.body);
        self.body
    }
}

/// The server that stories share which do no harm to it. It ends with the test binary.
pub async fn shared() -> &'static Server {
    static SHARED: OnceCell<Server> = OnceCell::const_new();
    SHARED.get_or_init(|| Server::start(Options::default())).await
}

impl Server {
    /// A server of its own, on an empty data directory.
    pub async fn start(options: Options) -> Self {
        let data = Arc::new(tempfile::Builder::new().prefix("jobber-e2e-").tempdir().unwrap());
        Self::start_on(data, options).await
    }

    /// Another server on the same data: what a restart after a crash is.
    pub async fn start_again(&self, options: Options) -> Self {
        Self::start_on(Arc::clone(&self.data), options).await
    }

    async fn start_on(data: Arc<TempDir>, options: Options) -> Self {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", env!("CARGO_BIN_EXE_jobber"), "dev"])
            .args(&options.folders)
            .args(["--engine", options.engine, "--data"])
            .arg(data.path())
            .args(["--admin-port", "0", "--gateway-port", "0", "--manager-port", "0"])
            .envs(
                options
                    .environment
                    .iter()
                    .map(|(name, value)| (*name, value.as_str())),
            )
            .stdin(Stdio::null())
            .stderr(Stdio::from(log_file(data.path())));
        let log = kept_log(data.path());
        let started = tokio::task::spawn_blocking(move || ServerProcess::start(command, START_TIME))
            .await
            .unwrap();
        let process = started.unwrap_or_else(|| panic!("the server did not get ready; its log is {log}"));
        let about = about(data.path());
        let text = |name: &str| about[name].as_str().unwrap().trim_end_matches('/').to_owned();
        Self {
            url: text("url"),
            gateway: text("gateway"),
            token: text("token"),
            // A connection's task lives in the runtime of the test that opened it: another test must not reuse it.
            client: jobber::outgoing::without_tls()
                .timeout(Duration::from_secs(120))
                .pool_max_idle_per_host(0)
                .build()
                .unwrap(),
            data,
            process,
        }
    }

    /// Publishes a package.
    pub async fn publish(&self, package: &Package) -> Published {
        self.publish_with(package, "").await
    }

    /// Publishes a package with a query such as `?force=true`.
    pub async fn publish_with(&self, package: &Package, query: &str) -> Published {
        let form = Form::new().part(
            "archive",
            Part::bytes(package.zip().await).file_name("package.zip"),
        );
        let request = self
            .client
            .post(format!("{}/api/job/publish{query}", self.url))
            .bearer_auth(&self.token);
        let response = request.multipart(form).send().await.unwrap();
        Published {
            status: response.status(),
            body: response.json().await.unwrap(),
        }
    }

    /// GETs a function.
    pub async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.gateway))
            .send()
            .await
            .unwrap()
    }

    /// GETs from the admin API.
    pub async fn api(&self, path: &str) -> Value {
        self.ask(Method::GET, path, None).await
    }

    /// Asks the admin API for something that it does.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}{path}", self.url);
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.text().await.unwrap()
        );
        response.json().await.unwrap()
    }

    /// Sets a variable of a job.
    pub async fn set_variable(&self, job: &str, name: &str, value: &str) {
        self.set_variable_of("text", job, name, value).await;
    }

    /// Sets a variable that is never shown again.
    pub async fn set_secret(&self, job: &str, name: &str, value: &str) {
        self.set_variable_of("secret", job, name, value).await;
    }

    async fn set_variable_of(&self, kind: &str, job: &str, name: &str, value: &str) {
        let path = format!("/api/job/{job}/environment/{name}");
        let variable = json!({ "type": kind, "value": value });
        self.ask(Method::POST, &path, Some(variable)).await;
    }

    /// Enables or disables a job.
    pub async fn set_status(&self, job: &str, status: &str) {
        let change = json!({ "status": status });
        self.ask(Method::PUT, &format!("/api/job/{job}"), Some(change))
            .await;
    }

    /// How it stands with a trigger.
    pub async fn trigger_status(&self, job: &str, trigger: &str) -> Value {
        self.api(&format!("/api/job/{job}/triggers/{trigger}/status"))
            .await["data"]
            .clone()
    }

    /// Waits until a trigger is `healthy` or `unhealthy`, with this text in the message. Gives its status.
    pub async fn until_trigger(&self, job: &str, trigger: &str, status: &str, message: &str) -> Value {
        let what = format!("the trigger {trigger} is {status}: {message}");
        eventually(&what, TRIGGER_TIME, || async {
            let now = self.trigger_status(job, trigger).await;
            let as_expected =
                now["status"] == status && now["message"].as_str().is_some_and(|said| said.contains(message));
            as_expected.then_some(now)
        })
        .await
    }

    /// Waits until a job has so many dead letters. Gives them, the newest first.
    pub async fn dead_letters(&self, job: &str, count: usize) -> Vec<Value> {
        eventually(
            &format!("{count} dead letters of {job}"),
            TRIGGER_TIME,
            || async {
                let letters = self.api(&format!("/api/job/{job}/dead-letters")).await;
                let letters = letters["data"].as_array().unwrap().clone();
                (letters.len() == count).then_some(letters)
            },
        )
        .await
    }

    /// The job's runners that are ready.
    pub async fn ready_runners(&self, job: &str) -> Vec<String> {
        let runners = self.api(&format!("/api/job/{job}/runners")).await;
        let runners = runners["data"].as_array().unwrap().iter();
        let ready = runners.filter(|runner| runner["stage"] == "ready");
        ready
            .map(|runner| runner["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until the job's log has a line with this text, and gives it.
    pub async fn log_line(&self, job: &str, text: &str) -> Value {
        eventually(
            &format!("a log line with {text:?}"),
            Duration::from_secs(15),
            || async {
                let logs = self.api(&format!("/api/job/{job}/logs?limit=1000")).await;
                let mut lines = logs["data"].as_array().unwrap().clone().into_iter();
                lines.find(|line| {
                    line["message"]
                        .as_str()
                        .is_some_and(|message| message.contains(text))
                })
            },
        )
        .await
    }

    /// What it tells other programs, in `dev.json`.
    pub fn about(&self) -> Value {
        about(self.data())
    }

    /// What it has written on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_path(self.data())).unwrap()
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.end("-KILL");
    }

    /// Ctrl-C, and waits for it to have cleaned up.
    pub fn stop(&mut self) {
        let ended = self.process.end("-INT").expect("it runs");
        assert!(
            ended.success(),
            "the server ended with {ended}; its log is {}",
            kept_log(self.data.path())
        );
    }
}

fn about(data: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(data.join("dev.json")).unwrap()).unwrap()
}

pub(super) fn log_directory() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("e2e-logs");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn log_path(data: &Path) -> PathBuf {
    log_directory()
        .join(data.file_name().unwrap())
        .with_extension("log")
}

fn log_file(data: &Path) -> std::fs::File {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_path(data))
        .unwrap()
}

fn kept_log(data: &Path) -> String {
    log_path(data).display().to_string()
}
