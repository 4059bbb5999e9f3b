//! The package's build script.

use std::io::stderr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::note;

/// Runs `npm run build`. What it says goes to standard error: standard output is for the answer.
pub(super) fn run(folder: &Path) -> anyhow::Result<()> {
    note("npm run build");
    let mut npm = Command::new("npm");
    npm.args(["run", "build", "--silent"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(stderr())
        // A build has no business with the server's token.
        .env_remove("JOBBER_TOKEN");
    let status = npm.status().map_err(|error| {
        Failure::new(Exit::Failed, format!("npm can not be started: {error}"))
            .next("install Node.js with npm, or build the package yourself and add --no-build")
    })?;
    if status.success() {
        return Ok(());
    }
    let next = if folder.join("node_modules").is_dir() {
        "repair what the script says above, or add --no-build"
    } else {
        "run `npm install` in the package's folder, which has no node_modules"
    };
    Err(
        Failure::new(Exit::Failed, format!("the build script failed: {status}"))
            .next(next)
            .into(),
    )
}
