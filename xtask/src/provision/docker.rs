//! The Docker engine and images that others make.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::{command, workspace};

/// How long an engine may take from its start until it answers.
const ENGINE_START: Duration = Duration::from_secs(60);
/// How long one pull may take. A network that drops packets instead of refusing must not hold up the work for long.
const PULL: Duration = Duration::from_secs(90);

/// Set once a pull has failed: the other images then do not wait for the same registry again.
static REGISTRY_FAILED: AtomicBool = AtomicBool::new(false);

/// Makes sure that a Docker engine answers: the one that does, else one that this starts.
///
/// # Errors
/// When none answers and none can be installed or started. The message says why.
pub(crate) fn ensure() -> Result<()> {
    if engine_answers() {
        return Ok(());
    }
    if let Some(host) = std::env::var_os("DOCKER_HOST") {
        bail!(
            "no Docker engine answers at DOCKER_HOST={}",
            host.to_string_lossy()
        );
    }
    if !command::exists("docker") || !command::exists("dockerd") {
        // cgroupfs-mount mounts what a machine without systemd has not mounted.
        debian::install(&["docker.io", "cgroupfs-mount", "iptables", "ca-certificates"])?;
    } else if !debian::is_root()? {
        let error = command::output(Command::new("docker").arg("version")).err();
        let reason = error.map(|error| format!("{error:#}")).unwrap_or_default();
        bail!(
            "the Docker engine does not answer this user; is it started, and is the user in the group docker?\n{reason}"
        );
    }
    if !engine_answers() {
        start_engine()?;
    }
    Ok(())
}

/// Makes sure that the engine has `image`: the one it has, else the registry's. `false` when neither is to be had.
pub(crate) fn has_or_pulls(image: &str) -> bool {
    if has(image) {
        return true;
    }
    if REGISTRY_FAILED.load(Ordering::Relaxed) {
        return false;
    }
    let mut pull = Command::new("docker");
    pull.args(["pull", "--quiet", image]);
    let pulled = command::succeeds(&mut command::bounded(&pull, PULL));
    if !pulled {
        println!("  {image} cannot be pulled from a registry");
        REGISTRY_FAILED.store(true, Ordering::Relaxed);
    }
    pulled
}

/// Whether the engine has `image`.
pub(crate) fn has(image: &str) -> bool {
    command::succeeds(Command::new("docker").args(["image", "inspect", image]))
}

/// What `docker image inspect` says of `image` in the Go template `format`; nothing when the engine does not have it.
pub(crate) fn inspect(image: &str, format: &str) -> Option<String> {
    command::output(Command::new("docker").args(["image", "inspect", "--format", format, image])).ok()
}

fn engine_answers() -> bool {
    let mut version = Command::new("docker");
    version.args(["version", "--format", "{{.Server.Version}}"]);
    command::succeeds(&mut command::bounded(&version, Duration::from_secs(20)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a pause between two questions, within a bound; no actor runs here"
)]
fn start_engine() -> Result<()> {
    let log = workspace::target().join("dockerd.log");
    if Path::new("/run/systemd/system").is_dir() {
        command::run(Command::new("systemctl").args(["start", "docker"]))?;
    } else {
        println!("  starting dockerd, its log is {}", log.display());
        // Not fatal: a container or a newer system has cgroups mounted in ways that this script does not know.
        command::succeeds(&mut Command::new("cgroupfs-mount"));
        fs::create_dir_all(workspace::target())?;
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // In a session of its own: it serves later runs as well, and Ctrl-C here is not meant for it.
        let mut dockerd = Command::new("setsid");
        dockerd
            .args(["--fork", "dockerd"])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        command::run(&mut dockerd)?;
    }
    let begun = Instant::now();
    while !engine_answers() {
        let said = fs::read(&log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        if begun.elapsed() > ENGINE_START || said.contains("failed to start daemon") {
            let end = said
                .lines()
                .rev()
                .take(5)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
                .join("\n");
            bail!("the Docker engine does not answer; see {}\n{end}", log.display());
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
