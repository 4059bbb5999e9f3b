//! Compose v2, for the test of the compose file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian;
use crate::{command, workspace};

/// The suite of Debian whose `docker-compose` is version 2: one static program, which runs on earlier ones, too.
const SUITE: &str = "trixie";
const PROGRAM: &str = "usr/libexec/docker/cli-plugins/docker-compose";

/// Makes sure that there is Compose v2: `docker compose`, else Debian's program, below the target folder and not
/// installed. Gives the program's path in the second case.
///
/// # Errors
/// When there is none and it cannot be downloaded.
pub(crate) fn ensure() -> Result<Option<PathBuf>> {
    if is_version_2(Command::new("docker").arg("compose")) {
        return Ok(None);
    }
    let program = workspace::target().join("tools/compose/docker-compose");
    if !is_version_2(&mut Command::new(&program)) {
        download(&program)?;
    }
    Ok(Some(program))
}

fn is_version_2(compose: &mut Command) -> bool {
    command::output(compose.args(["version", "--short"]))
        .is_ok_and(|version| !version.trim_start_matches('v').starts_with("1."))
}

fn download(program: &Path) -> Result<()> {
    if !command::exists("apt-get") || !command::exists("dpkg") {
        bail!("not found: Docker Compose v2. Install it and try again.");
    }
    println!("  downloading Compose from Debian's suite {SUITE}");
    let target = program.parent().context("the program is in a folder")?;
    let work = target.with_extension(std::process::id().to_string());
    let downloaded = unpack(&work).and_then(|()| {
        fs::create_dir_all(target)?;
        // Whole, or not at all: others may look for it meanwhile.
        fs::rename(work.join("root").join(PROGRAM), program).context("the package has no such program")
    });
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    downloaded
}

/// Downloads the package with package lists of its own, which the machine's apt never sees.
fn unpack(work: &Path) -> Result<()> {
    for folder in ["lists/partial", "cache/archives/partial", "root"] {
        fs::create_dir_all(work.join(folder))?;
    }
    let sources = work.join("sources.list");
    let mirror = debian::mirror().unwrap_or_else(|| "http://deb.debian.org/debian".to_owned());
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(
        &sources,
        format!("deb [signed-by={keys}] {mirror} {SUITE} main\n"),
    )?;
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        let options = [
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", work.join("lists").display()),
            format!("Dir::Cache={}", work.join("cache").display()),
            // The user that apt downloads as cannot write here.
            "APT::Sandbox::User=root".to_owned(),
        ];
        for option in options {
            apt.arg("-o").arg(option);
        }
        command::output(apt.arg("-qq").args(arguments).current_dir(work))
    };
    apt(&["update"])?;
    apt(&["download", "docker-compose"])?;
    let package = fs::read_dir(work)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get has downloaded no package")?;
    command::output(Command::new("dpkg").arg("-x").arg(package).arg(work.join("root")))?;
    Ok(())
}
