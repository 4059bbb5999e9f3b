//! The program as the person at another machine runs it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::Server;

/// Installing packages and building them included.
const BOUND: Duration = Duration::from_secs(120);

/// The program with an empty home of its own.
pub struct Tool {
    home: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub out: String,
    pub error: String,
}

impl Said {
    /// The answer of a success.
    pub fn expect(self) -> String {
        assert_eq!(self.status, 0, "{}\n{}", self.out, self.error);
        self.out
    }

    /// The one document of a success.
    pub fn json(self) -> Value {
        serde_json::from_str(&self.expect()).unwrap()
    }

    /// A failure with this status, and these words in what is told of it.
    pub fn refused(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, status, "{}\n{}", self.out, self.error);
        for word in words {
            assert!(self.error.contains(word), "{word:?} is not in {}", self.error);
        }
    }
}

impl Tool {
    /// Of somebody who has signed in nowhere.
    pub fn new() -> Self {
        Self {
            home: TempDir::new().unwrap(),
            variables: Vec::new(),
        }
    }

    /// Of somebody with the server's own token.
    pub fn of(server: &Server) -> Self {
        let token = server.about()["token"].as_str().unwrap().to_owned();
        Self::new()
            .with("JOBBER_URL", &server.url)
            .with("JOBBER_TOKEN", &token)
            .with("JOBBER_GATEWAY_URL", &server.gateway)
    }

    /// With this in its environment.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Its home and working directory.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command that is not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_jobber"));
        command.args(arguments).env_clear();
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }

    /// Runs a command.
    pub async fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "").await
    }

    /// Runs a command with this on its standard input.
    pub async fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may have ended.
        let _closed = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = timeout(BOUND, child.wait_with_output())
            .await
            .expect("it ends")
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said {
            status: output.status.code().expect("it ends by itself"),
            out: text(output.stdout),
            error: text(output.stderr),
        }
    }

    /// Where the functions of its server answer, on this machine.
    pub async fn gateway(&self) -> String {
        let options = self.run(&["config", "--remote", "--json"]).await.json();
        let options = options.as_array().unwrap();
        let port = options.iter().find(|option| option["name"] == "GATEWAY_PORT");
        format!("http://127.0.0.1:{}", port.unwrap()["value"].as_str().unwrap())
    }

    /// `npm install` in a folder of its own.
    pub async fn install(&self, folder: &str) {
        let mut npm = self.program("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(self.home().join(folder))
            .stdin(Stdio::null());
        let output = timeout(BOUND, npm.output()).await.expect("it ends").unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn program(&self, name: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(name);
        command
            .current_dir(self.home())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Changes a file below its home.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.home().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}
