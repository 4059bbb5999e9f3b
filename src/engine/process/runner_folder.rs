//! A runner's folder below the data directory: what it writes, and what tells the next server whom to end.

use std::io;
use std::path::{Path, PathBuf};

use jobber_actors::domain::RunnerId;

use crate::child::{ProcessIdentity, read_capped};

/// Most bytes of the file that names the process.
const MAX_IDENTITY_BYTES: u64 = 4096;

/// The folder of one runner.
#[derive(Clone, Debug)]
pub(super) struct RunnerFolder {
    root: PathBuf,
}

impl RunnerFolder {
    /// Names the folder without making it.
    pub(super) fn of(runners: &Path, runner: RunnerId) -> Self {
        Self {
            root: runners.join(runner.to_string()),
        }
    }

    /// All folders that are there, whoever made them.
    pub(super) fn all(runners: &Path) -> io::Result<Vec<(RunnerId, Self)>> {
        let entries = match std::fs::read_dir(runners) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            if let Some(runner) = name.to_str().and_then(|name| name.parse().ok()) {
                folders.push((runner, Self::of(runners, runner)));
            }
        }
        Ok(folders)
    }

    /// Where the package's files go.
    pub(super) fn app(&self) -> PathBuf {
        self.root.join("app")
    }

    /// The runner's home and `TMPDIR`.
    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn create(&self) -> io::Result<()> {
        std::fs::create_dir_all(self.app())?;
        std::fs::create_dir_all(self.tmp())
    }

    /// Keeps the process's identity for the next server.
    pub(super) fn remember(&self, process: ProcessIdentity) -> io::Result<()> {
        std::fs::write(self.identity_file(), serde_json::to_vec(&process)?)
    }

    /// The process that was started in this folder, if that was ever written down.
    pub(super) fn process(&self) -> Option<ProcessIdentity> {
        let text = read_capped(&self.identity_file(), MAX_IDENTITY_BYTES).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn identity_file(&self) -> PathBuf {
        self.root.join("process.json")
    }
}
