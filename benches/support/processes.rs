//! Programs that this one starts, and ends.

use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How long a child may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(30);

/// A child that does not outlive this value.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status();
        let deadline = Instant::now() + GRACE;
        while asked.as_ref().is_ok_and(|status| status.success()) && Instant::now() < deadline {
            match self.0.try_wait() {
                Ok(None) => std::thread::park_timeout(Duration::from_millis(20)),
                // It has ended, or is not there to be asked.
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // It is gone already, or it did not listen.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs `docker` and returns what it writes.
pub(crate) fn docker(arguments: &[&str]) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new("docker")
        .args(arguments)
        .output()
        .context("running docker")?;
    ensure!(
        status.success(),
        "docker {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&stderr)
    );
    Ok(String::from_utf8(stdout)?.trim().to_owned())
}

/// Tries until it works; the last error after `time`.
pub(crate) fn eventually<T>(time: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + time;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => std::thread::park_timeout(Duration::from_millis(50)),
        }
    }
}
