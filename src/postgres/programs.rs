//! Finding the Postgres that is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::{DeathSignal, Spawner, find_program, is_executable};

/// Where Debian and its kin keep the programs, one folder for each major version.
pub(super) const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
/// Where others keep them.
pub(super) const OTHER_FOLDERS: [&str; 4] = [
    "/usr/local/pgsql/bin",
    "/usr/pgsql/bin",
    "/opt/homebrew/bin",
    "/usr/local/opt/postgresql/bin",
];

/// Why no Postgres can be started.
#[derive(Debug, thiserror::Error)]
pub enum ProgramsError {
    /// Neither on the `PATH` nor in the usual folders.
    #[error(
        "`jobber dev` needs the programs of PostgreSQL 13 or newer (`initdb`, `postgres`), and they are neither on the \
         PATH nor below /usr/lib/postgresql. Debian, Ubuntu: `apt-get install postgresql`; Fedora: `dnf install \
         postgresql-server`; Alpine: `apk add postgresql`"
    )]
    Missing,
    /// Root needs `unshare`.
    #[error(
        "Postgres refuses to run as root, and `unshare` (util-linux), with which it runs as an ordinary user in a \
         namespace, is not on the PATH. Install util-linux, or run `jobber dev` as an ordinary user"
    )]
    NoUnshare,
}

/// The programs of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresPrograms {
    folder: PathBuf,
    /// `unshare`, if the server runs as root.
    unshare: Option<PathBuf>,
}

impl PostgresPrograms {
    /// Looks on the `PATH`, then in the usual folders (the newest version first).
    ///
    /// # Errors
    /// [`ProgramsError`], which tells how to get them.
    pub fn find() -> Result<Self, ProgramsError> {
        let folder = candidates()
            .into_iter()
            .find(|folder| is_installation(folder))
            .ok_or(ProgramsError::Missing)?;
        let unshare = if rustix::process::geteuid().is_root() {
            Some(find_program("unshare").ok_or(ProgramsError::NoUnshare)?)
        } else {
            None
        };
        Ok(Self { folder, unshare })
    }

    /// A command that runs one of the programs, not as root.
    pub(super) fn command(&self, program: &str, signal: DeathSignal, spawner: &Spawner) -> Command {
        let program = self.folder.join(program);
        let mut command = match &self.unshare {
            Some(unshare) => {
                // The number is of no account: inside, the files of the real root belong to it.
                let mut command = spawner.command(unshare, signal);
                command
                    .args(["--user", "--map-user=1000", "--map-group=1000", "--"])
                    .arg(program);
                command
            }
            None => spawner.command(program, signal),
        };
        // Nothing of the server's environment: PGDATA, PGPORT and their like would change what is started here.
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command
    }
}

fn is_installation(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| is_executable(&folder.join(program)))
}

fn candidates() -> Vec<PathBuf> {
    // A program on the PATH may be a link; its neighbours are where it leads to.
    let on_path = find_program("initdb").and_then(|path| path.canonicalize().ok());
    let mut folders: Vec<PathBuf> = on_path
        .iter()
        .filter_map(|path| path.parent())
        .map(Path::to_owned)
        .collect();
    folders.extend(debian_folders(Path::new(DEBIAN_VERSIONS)));
    folders.extend(OTHER_FOLDERS.iter().map(PathBuf::from));
    folders
}

pub(super) fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "17", "notes"] {
            std::fs::create_dir(root.path().join(version)).unwrap();
        }
        let found = debian_folders(root.path());
        let names: Vec<_> = found
            .iter()
            .map(|folder| folder.strip_prefix(root.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["17/bin", "15/bin", "9/bin"]);
    }
}
