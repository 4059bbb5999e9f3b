//! Which Node programs there are on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::child::{find_program, is_executable};

/// How long `node --version` may take.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// The Node programs of this machine by their major version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePrograms {
    by_major: BTreeMap<u32, PathBuf>,
}

/// Why a program can not be used.
#[derive(Debug, thiserror::Error)]
pub enum NodeProgramError {
    /// A configured program did not tell its version.
    #[error("{} does not run: {reason}", path.display())]
    DoesNotRun {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A configured program is of another version than the setting says.
    #[error("{} is Node {found}, not Node {expected}", path.display())]
    WrongVersion {
        /// Which.
        path: PathBuf,
        /// The major version it told.
        found: u32,
        /// The major version it was configured for.
        expected: u32,
    },
}

impl NodePrograms {
    /// Asks the configured programs, and the `node` of the `PATH`, for their versions. Finding none is no error here:
    /// it becomes one for the runner that needs it.
    ///
    /// # Errors
    /// [`NodeProgramError`] when a configured program is not what it should be.
    pub async fn discover(configured: &BTreeMap<u32, PathBuf>) -> Result<Self, NodeProgramError> {
        let mut by_major = BTreeMap::new();
        for (&expected, path) in configured {
            let found = major_version(path)
                .await
                .map_err(|reason| NodeProgramError::DoesNotRun {
                    path: path.clone(),
                    reason,
                })?;
            if found != expected {
                return Err(NodeProgramError::WrongVersion {
                    path: path.clone(),
                    found,
                    expected,
                });
            }
            by_major.insert(expected, path.clone());
        }
        if let Some(path) = find_program("node") {
            match major_version(&path).await {
                Ok(major) => {
                    by_major.entry(major).or_insert(path);
                }
                Err(reason) => {
                    tracing::warn!(path = %path.display(), reason, "the `node` of the PATH is not usable");
                }
            }
        }
        Ok(Self { by_major })
    }

    /// The program for a runtime: that of the same major version, else of the next newer one, else of the next older
    /// one. Tells the version it really is.
    #[must_use]
    pub fn nearest(&self, major: u32) -> Option<(u32, &Path)> {
        let newer = self.by_major.range(major..).next();
        let older = || self.by_major.range(..major).next_back();
        newer.or_else(older).map(|(&found, path)| (found, path.as_path()))
    }

    /// The first program that was there and is no more, with its major version.
    #[must_use]
    pub fn gone(&self) -> Option<(u32, &Path)> {
        let mut programs = self.by_major.iter();
        let gone = programs.find(|(_, path)| !is_executable(path));
        gone.map(|(&major, path)| (major, path.as_path()))
    }

    /// The major versions there are, oldest first.
    pub fn majors(&self) -> impl Iterator<Item = u32> + '_ {
        self.by_major.keys().copied()
    }
}

async fn major_version(path: &Path) -> Result<u32, String> {
    let run = tokio::process::Command::new(path)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(VERSION_TIMEOUT, run)
        .await
        .map_err(|_| "it did not tell its version in time".to_owned())?
        .map_err(|error| error.to_string())?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| "it did not tell a version that begins with `v<number>.`".to_owned())
}

fn parse_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(majors: &[u32]) -> NodePrograms {
        NodePrograms {
            by_major: majors
                .iter()
                .map(|&major| (major, format!("/node-{major}").into()))
                .collect(),
        }
    }

    #[test]
    fn the_nearest_program_is_the_same_then_newer_then_older() {
        let found = |majors: &[u32], wanted| programs(majors).nearest(wanted).map(|(major, _)| major);
        assert_eq!(found(&[20, 22, 24], 22), Some(22));
        assert_eq!(found(&[20, 24], 22), Some(24));
        assert_eq!(found(&[18, 20], 22), Some(20));
        assert_eq!(found(&[], 22), None);
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_major("v20.20.2\n"), Some(20));
        assert_eq!(parse_major("20.20.2"), None);
        assert_eq!(parse_major("bash: no"), None);
    }

    #[tokio::test]
    async fn a_configured_program_that_is_missing_or_of_another_version_is_refused() {
        let missing = BTreeMap::from([(24, PathBuf::from("/nowhere/node"))]);
        assert!(matches!(
            NodePrograms::discover(&missing).await,
            Err(NodeProgramError::DoesNotRun { .. })
        ));

        let node = find_program("node").expect("the tests need Node on the PATH");
        let wrong = BTreeMap::from([(12, node)]);
        assert!(matches!(
            NodePrograms::discover(&wrong).await,
            Err(NodeProgramError::WrongVersion { .. })
        ));
    }
}
