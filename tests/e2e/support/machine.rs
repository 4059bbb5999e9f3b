//! `jobber serve` as an operator runs it, on a Postgres of the test's own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jobber::child::Spawner;
use jobber::postgres::EmbeddedPostgres;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::server::log_directory;
use super::{Tool, eventually};

const START_TIME: Duration = Duration::from_secs(60);
/// Ports that were free a moment ago may be taken by another test.
const PORT_ATTEMPTS: u32 = 5;

/// The program, started by another one that becomes it: `wrapper` is that one with its arguments. It has nothing of this process's
/// environment but what finds other programs.
pub fn jobber_within(wrapper: &[&str], arguments: &[&str]) -> Command {
    let words = [wrapper, &[env!("CARGO_BIN_EXE_jobber")], arguments].concat();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// A machine with a Postgres and a data directory, for one server or several.
pub struct Machine {
    folder: TempDir,
    postgres: EmbeddedPostgres,
    _spawner: Spawner,
}

impl Machine {
    /// With an empty database and no data directory.
    pub async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("jobber-e2e-").tempdir().unwrap();
        let spawner = Spawner::start().unwrap();
        let postgres = EmbeddedPostgres::start(&folder.path().join("postgres"), &spawner)
            .await
            .unwrap();
        Self {
            folder,
            postgres,
            _spawner: spawner,
        }
    }

    /// The servers' data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The address of the database.
    pub fn database(&self) -> String {
        self.postgres.url().expose_secret().to_owned()
    }

    /// Starts a server, with child processes for runners, and waits for it to be ready.
    pub async fn serve(&self) -> Serving {
        self.serve_within(&[]).await
    }

    /// One that is called so: each of several has a name of its own.
    pub async fn serve_as(&self, name: &str) -> Serving {
        self.serve_within(&["env", &format!("JOBBER_NAME={name}")]).await
    }

    /// One that is started by another program, which becomes it.
    pub async fn serve_within(&self, wrapper: &[&str]) -> Serving {
        for _ in 0..PORT_ATTEMPTS {
            let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
            let ports = sockets
                .each_ref()
                .map(|socket| socket.local_addr().unwrap().port());
            drop(sockets);
            let name = self.folder.path().file_name().unwrap().to_string_lossy();
            let log = log_directory().join(format!("{name}-{}.log", ports[0]));
            let mut process = start(wrapper, &self.data(), &self.database(), ports, &log);
            let admin = format!("http://127.0.0.1:{}", ports[0]);
            if is_ready(&mut process, &admin).await {
                return self.serving(process, admin, log).await;
            }
        }
        panic!("no server could be started on free ports");
    }

    async fn serving(&self, process: Child, admin: String, log: PathBuf) -> Serving {
        // As the server sees it: it may have a disk that nobody else sees.
        let data = format!("/proc/{}/root{}", process.id().unwrap(), self.data().display());
        let token = std::fs::read_to_string(Path::new(&data).join("admin-token")).unwrap();
        let token = token.trim().to_owned();
        let tool = Tool::new()
            .with("JOBBER_URL", &admin)
            .with("JOBBER_TOKEN", &token);
        let gateway = tool.gateway().await;
        Serving {
            process,
            admin,
            tool: tool.with("JOBBER_GATEWAY_URL", &gateway),
            token,
            log,
        }
    }

    /// Ends the Postgres. What the machine had is gone.
    pub async fn end(self) {
        let data = self.data();
        self.postgres.stop().await.unwrap();
        self.folder.close().unwrap();
        assert!(!data.exists());
    }
}

/// A server whose API answers. It is killed with its test.
pub struct Serving {
    pub process: Child,
    /// The address of the API.
    pub admin: String,
    /// The program, as somebody runs it who may do everything there.
    pub tool: Tool,
    /// The server's own token.
    pub token: String,
    log: PathBuf,
}

impl Serving {
    /// What it has written on standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

fn start(wrapper: &[&str], data: &Path, database: &str, ports: [u16; 3], log: &Path) -> Child {
    let mut command = jobber_within(wrapper, &["serve"]);
    command
        .env("DATABASE_URL", database)
        .env("JOBBER_DATA", data)
        .env("RUNNER_ENGINE", "process")
        .env("ADMIN_BIND", "127.0.0.1")
        .env("GATEWAY_BIND", "127.0.0.1")
        .env("MANAGER_BIND", "127.0.0.1")
        .env("MANAGER_HOST", "127.0.0.1")
        .env("ADMIN_PORT", ports[0].to_string())
        .env("GATEWAY_PORT", ports[1].to_string())
        .env("MANAGER_PORT", ports[2].to_string())
        .stderr(std::fs::File::create(log).unwrap());
    command.spawn().unwrap()
}

/// Waits until the server is ready, or has ended.
async fn is_ready(process: &mut Child, admin: &str) -> bool {
    let client = jobber::outgoing::without_tls().build().unwrap();
    let url = format!("{admin}/readyz");
    eventually("the server is ready, or has ended", START_TIME, || {
        let ended = process.try_wait().unwrap().is_some();
        let request = client.get(&url).send();
        async move {
            if ended {
                Some(false)
            } else {
                request.await.is_ok_and(|r| r.status() == 200).then_some(true)
            }
        }
    })
    .await
}
