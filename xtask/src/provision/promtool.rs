//! Prometheus' promtool, which the tests check alert rules and the text of metrics with. Debian has it in the package of the server, of
//! which nothing but the tool is taken: an installed server would run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

const PACKAGE: &str = "prometheus";

/// Makes sure that promtool is on the search path or in `target/tools/promtool`.
///
/// # Errors
/// When it is missing and there is no Debian package of it.
pub(crate) fn ensure() -> Result<()> {
    if command::exists("promtool") || runs() {
        return Ok(());
    }
    if !command::exists("apt-get") || !command::exists("dpkg-deb") {
        bail!("not found: promtool. Install Prometheus' tools and try again.");
    }
    println!("  fetching promtool");
    let folder = folder().join("package");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot clear {}", folder.display()));
        }
        _ => {}
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let download = || {
        let mut apt = Command::new("apt-get");
        command::output(apt.args(["download", "-qq", PACKAGE]).current_dir(&folder))
    };
    // A fresh machine has no package lists; one that has them need not fetch them again.
    if download().is_err() {
        command::output(Command::new("apt-get").args(["update", "-qq"]))
            .context("cannot fetch package lists")?;
        download()?;
    }
    let package = fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get has left no package in {}", folder.display()))?;
    let unpacked = folder.join("unpacked");
    command::output(
        Command::new("dpkg-deb")
            .arg("--extract")
            .args([&package, &unpacked]),
    )?;
    fs::rename(unpacked.join("usr/bin/promtool"), program())
        .with_context(|| format!("{} has no promtool", package.display()))?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    if !runs() {
        bail!("{} does not run", program().display());
    }
    Ok(())
}

fn folder() -> PathBuf {
    workspace::target().join("tools/promtool")
}

fn program() -> PathBuf {
    folder().join("promtool")
}

fn runs() -> bool {
    command::succeeds(Command::new(program()).arg("--version"))
}
