//! Debian packages.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// Installs Debian packages.
///
/// # Errors
/// When this is not a Debian, or not root's shell: the message then names the packages. Or when apt fails.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !command::exists("apt-get") {
        bail!("not found: {names} (these are Debian's names). Install them and try again.");
    }
    if !is_root()? {
        bail!("not found: {names}. Install them with: sudo apt-get install {names}");
    }
    println!("  installing {names}");
    // A fresh machine has no package lists; one that has them need not fetch them again.
    if apt(packages).is_err() {
        command::output(Command::new("apt-get").args(["update", "-qq"]))
            .context("cannot fetch package lists")?;
        apt(packages)?;
    }
    Ok(())
}

/// Whether this process runs as root.
///
/// # Errors
/// When `id` cannot be run.
pub(crate) fn is_root() -> Result<bool> {
    Ok(command::output(Command::new("id").arg("-u"))? == "0")
}

/// Where this machine gets Debian from, if it is one.
pub(crate) fn mirror() -> Option<String> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME)",
        "Created-By: Packages",
        "Origin: Debian",
    ]);
    let mirrors = command::output(targets.arg("Component: main")).ok()?;
    // What is not the suite itself (bookworm-updates, bookworm-security) need not be on the same server.
    mirrors.lines().find_map(|line| {
        let (mirror, codename) = line.split_once(' ')?;
        (!codename.contains('-')).then(|| mirror.to_owned())
    })
}

fn apt(packages: &[&str]) -> Result<String> {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt.args([
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=120",
    ]);
    command::output(apt.args(packages))
}
