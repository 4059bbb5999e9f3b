//! Schemathesis, which tries the admin API against its own document. In a Python environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::debian;
use crate::{command, workspace};

/// What pip installs, each package by version and hash.
const REQUIREMENTS: &str = "xtask/schemathesis/requirements.txt";
/// A copy of the requirements that an environment was made from. It is written last.
const MADE_FROM: &str = "requirements.txt";

/// Makes sure that Schemathesis is in `target/tools/schemathesis-<version>` as the requirements have it.
///
/// # Errors
/// When there is no Python that makes environments and none can be installed, or pip fails.
pub(crate) fn ensure() -> Result<()> {
    let requirements = workspace::root().join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let version =
        version(&wanted).with_context(|| format!("{REQUIREMENTS} has no version of Schemathesis"))?;
    let environment = Environment::of(version);
    if environment.is_made_from(&wanted) && environment.runs(version) {
        return Ok(());
    }
    println!("  installing Schemathesis {version}");
    environment.make(&requirements)?;
    if !environment.runs(version) {
        bail!("{} is not {version}", environment.program().display());
    }
    fs::write(environment.folder.join(MADE_FROM), wanted)
        .with_context(|| format!("cannot write to {}", environment.folder.display()))
}

/// A folder with Python packages of its own. It can not be moved: its programs have its path.
struct Environment {
    folder: PathBuf,
}

impl Environment {
    fn of(version: &str) -> Self {
        let tools = workspace::target().join("tools");
        Self {
            folder: tools.join(format!("schemathesis-{version}")),
        }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("bin/schemathesis")
    }

    fn is_made_from(&self, requirements: &str) -> bool {
        fs::read_to_string(self.folder.join(MADE_FROM)).is_ok_and(|made_from| made_from == requirements)
    }

    fn runs(&self, version: &str) -> bool {
        let said = command::output(Command::new(self.program()).arg("--version"));
        said.is_ok_and(|said| said.split_whitespace().last() == Some(version))
    }

    /// Whatever is there is replaced.
    fn make(&self, requirements: &Path) -> Result<()> {
        ensure_python()?;
        let mut create = Command::new("python3");
        command::output(create.args(["-m", "venv", "--clear"]).arg(&self.folder))?;
        let mut install = Command::new(self.folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        // A package that is to be built could run anything, and needs a compiler.
        install.args(["--only-binary=:all:", "--require-hashes", "--requirement"]);
        command::output(install.arg(requirements))?;
        Ok(())
    }
}

/// Debian has what makes environments in a package beside Python's.
fn ensure_python() -> Result<()> {
    let mut probe = Command::new("python3");
    if !command::succeeds(probe.args(["-c", "import ensurepip, venv"])) {
        debian::install(&["python3", "python3-venv"])?;
    }
    Ok(())
}

/// The version of Schemathesis itself.
fn version(requirements: &str) -> Option<&str> {
    let pinned = requirements
        .lines()
        .find_map(|line| line.strip_prefix("schemathesis=="))?;
    pinned.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_package_itself() {
        let requirements =
            "# schemathesis==1\nharfile==0.6.0 \\\n    --hash=sha256:00\nschemathesis==4.32.5 \\\n";
        assert_eq!(version(requirements), Some("4.32.5"));
        assert_eq!(version("harfile==0.6.0\n    # via schemathesis\n"), None);
    }
}
