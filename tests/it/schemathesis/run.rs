//! One run of Schemathesis, from its start to its report.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jobber::child::{DeathSignal, Spawner};
use tokio::time::timeout;

use super::furnish::Furnished;
use super::report::Report;
use crate::support::App;

const REQUIREMENTS: &str = include_str!("../../../xtask/schemathesis/requirements.txt");
const CONFIGURATION: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/schemathesis/schemathesis.toml"
);
/// How long it may take; about a minute is usual.
const BOUND: Duration = Duration::from_secs(5 * 60);

/// A run that is over, and found nothing.
pub(super) struct Run {
    logs: PathBuf,
    pub(super) report: Report,
}

impl Run {
    /// Tries all operations, and fails when anything is found or can not be tried. The variables of its configuration keep the tokens off its command line.
    pub(super) async fn of(app: &App, furnished: &Furnished, seed: u64) -> Self {
        let logs = target().join("test-logs/schemathesis");
        // What an earlier run has left must not be taken for what this one did.
        if logs.exists() {
            fs::remove_dir_all(&logs).unwrap();
        }
        fs::create_dir_all(&logs).unwrap();
        let (log, events) = (logs.join("schemathesis.log"), logs.join("events.ndjson"));
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("schemathesis.toml");
        fs::copy(CONFIGURATION, &configuration).unwrap();
        for (name, values) in &furnished.found {
            let lines: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
            fs::write(folder.path().join(format!("{name}.dict")), lines.join("\n")).unwrap();
        }
        let spawner = Spawner::start().unwrap();
        let mut command = spawner.command(program(), DeathSignal::Kill);
        command.arg("--config-file").arg(&configuration);
        command.args(["run", "--no-color", "--seed"]);
        command
            .arg(seed.to_string())
            .arg("--report-ndjson-path")
            .arg(&events);
        command.arg("--report-junit-path").arg(logs.join("junit.xml"));
        command.arg(format!("{}/api/openapi.json", app.url));
        // Nothing of the machine: neither a proxy, nor a configuration, nor a place to leave something.
        command
            .current_dir(&folder)
            .env_clear()
            .env("HOME", folder.path());
        command.env("JOBBER_TOKEN", &furnished.token);
        let output = File::create(&log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);

        let mut child = spawner.spawn(command).await.unwrap();
        let ended = timeout(BOUND, child.ended()).await;
        ended
            .unwrap_or_else(|_| panic!("not done after {BOUND:?}; see {}", log.display()))
            .unwrap();
        let status = child.finish().unwrap();
        let said = fs::read(&log).unwrap();
        assert!(
            status.success(),
            "{}\nSchemathesis: {status}; what it did is in {}",
            String::from_utf8_lossy(&said),
            logs.display()
        );
        Self {
            report: Report::read(&events),
            logs,
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "what Schemathesis did is in {}", self.logs.display())
    }
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// What `cargo xtask it` has installed.
fn program() -> PathBuf {
    let pinned = REQUIREMENTS
        .lines()
        .find_map(|line| line.strip_prefix("schemathesis=="));
    let version = pinned.unwrap().split_whitespace().next().unwrap();
    let program = target().join(format!("tools/schemathesis-{version}/bin/schemathesis"));
    assert!(
        program.is_file(),
        "`cargo xtask it` installs {}",
        program.display()
    );
    program
}
