//! The programs that dump and restore a database: which of those that are installed fits a server, and running them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::programs::{DEBIAN_VERSIONS, OTHER_FOLDERS, debian_folders};
use crate::child::{DeathSignal, Spawner, find_program, is_executable};

/// How much of what a program complains about is told.
const MAX_COMPLAINT: u64 = 4 << 10;
/// A program that takes longer is ended.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
const CONNECT_SECONDS: &str = "10";

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// None that is installed fits.
    #[error(
        "backups need `pg_dump` and `pg_restore` of PostgreSQL {needed} or newer, as the database is, and {found}. Debian, Ubuntu: \
         `apt-get install postgresql-client-{needed}`; Fedora: `dnf install postgresql`; Alpine: `apk add postgresql{needed}-client`"
    )]
    Missing {
        /// The version of the server.
        needed: u32,
        /// What there is.
        found: String,
    },
    /// The address of the database can not be understood.
    #[error("DATABASE_URL is no URL of a Postgres")]
    Url,
    /// It could not be started or watched.
    #[error("{program} could not be run: {source}")]
    Run {
        /// Which.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It did not end.
    #[error("{program} took longer than {} hours", LONGEST.as_secs() / 3600)]
    TooLong {
        /// Which.
        program: &'static str,
    },
    /// It failed.
    #[error("{program} failed: {complaint}")]
    Failed {
        /// Which.
        program: &'static str,
        /// What it said, or how it ended.
        complaint: String,
    },
}

/// The programs of one installation, which fit a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresClients {
    folder: PathBuf,
}

impl PostgresClients {
    /// Looks below the usual folders and on the `PATH` for the version that is nearest to the server's and not older: an older
    /// `pg_dump` refuses. Runs what it finds, to learn its version; blocks.
    ///
    /// # Errors
    /// [`ClientError::Missing`], which tells how to get them.
    pub fn find(server: u32) -> Result<Self, ClientError> {
        let found: Vec<_> = candidates()
            .into_iter()
            .filter_map(|folder| Some((version_of(&folder)?, folder)))
            .collect();
        choose(&found, server)
            .map(|folder| Self {
                folder: folder.to_owned(),
            })
            .ok_or_else(|| ClientError::Missing {
                needed: server,
                found: told(&found),
            })
    }

    /// Writes the database to `out`, in pg_dump's custom format and as it was when the snapshot was taken.
    ///
    /// # Errors
    /// [`ClientError`]. Dropped, it ends the program.
    pub async fn dump(
        &self,
        spawner: &Spawner,
        url: &SecretString,
        snapshot: &str,
        leave_out: &str,
        out: File,
    ) -> Result<(), ClientError> {
        let mut command = self.command("pg_dump", spawner, url)?;
        command
            .args(["--format=custom", "--no-owner", "--no-privileges"])
            .arg("--lock-wait-timeout=60s")
            .arg(format!("--exclude-schema={leave_out}"))
            .arg(format!("--snapshot={snapshot}"))
            .stdin(Stdio::null())
            .stdout(out);
        run("pg_dump", command, spawner).await
    }

    /// Restores a dump in one transaction: all of it, or nothing.
    ///
    /// # Errors
    /// [`ClientError`]. Dropped, it ends the program, and nothing is restored.
    pub async fn restore(
        &self,
        spawner: &Spawner,
        url: &SecretString,
        dump: File,
    ) -> Result<(), ClientError> {
        let mut command = self.command("pg_restore", spawner, url)?;
        command
            .args(["--single-transaction", "--exit-on-error"])
            .args(["--no-owner", "--no-privileges", "--no-tablespaces"])
            // Which one is in the environment, as everything is.
            .arg("--dbname=")
            .stdin(dump)
            .stdout(Stdio::null());
        run("pg_restore", command, spawner).await
    }

    /// A command that connects as the URL says. Its password is in the environment, which only this user can read.
    fn command(
        &self,
        program: &'static str,
        spawner: &Spawner,
        url: &SecretString,
    ) -> Result<Command, ClientError> {
        let mut command = spawner.command(self.folder.join(program), DeathSignal::Kill);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .envs(connection(url)?)
            .arg("--no-password");
        Ok(command)
    }
}

async fn run(program: &'static str, mut command: Command, spawner: &Spawner) -> Result<(), ClientError> {
    let failed = |source| ClientError::Run { program, source };
    let mut said = tempfile::tempfile().map_err(failed)?;
    command.stderr(said.try_clone().map_err(failed)?);
    let mut child = spawner.spawn(command).await.map_err(failed)?;
    match tokio::time::timeout(LONGEST, child.ended()).await {
        Ok(ended) => ended.map_err(failed)?,
        Err(_) => return Err(ClientError::TooLong { program }),
    }
    let status = child.finish().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let complaint = match last_of(&mut said) {
        Ok(text) if !text.is_empty() => text,
        _ => status.to_string(),
    };
    Err(ClientError::Failed { program, complaint })
}

#[expect(clippy::disallowed_methods, reason = "`take` bounds it")]
fn last_of(said: &mut File) -> io::Result<String> {
    let bytes = said.seek(SeekFrom::End(0))?;
    said.seek(SeekFrom::Start(bytes.saturating_sub(MAX_COMPLAINT)))?;
    let mut text = Vec::new();
    said.take(MAX_COMPLAINT).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// What libpq reads of a URL, as its environment variables.
fn connection(url: &SecretString) -> Result<Vec<(&'static str, OsString)>, ClientError> {
    let config = Config::from_str(url.expose_secret()).map_err(|_| ClientError::Url)?;
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("PGCONNECT_TIMEOUT", CONNECT_SECONDS.into()),
        ("PGAPPNAME", "jobber backup".into()),
    ];
    let user = config.get_user();
    if let Some(user) = user {
        variables.push(("PGUSER", user.into()));
    }
    // As tokio-postgres has it, a database is called as its user unless it is named.
    if let Some(database) = config.get_dbname().or(user) {
        variables.push(("PGDATABASE", database.into()));
    }
    if let Some(password) = config.get_password() {
        variables.push(("PGPASSWORD", OsStr::from_bytes(password).to_owned()));
    }
    if let Some(options) = config.get_options() {
        variables.push(("PGOPTIONS", options.into()));
    }
    if config.get_ssl_mode() == SslMode::Disable {
        variables.push(("PGSSLMODE", "disable".into()));
    }
    let hosts: Vec<&OsStr> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => OsStr::new(name),
            Host::Unix(path) => path.as_os_str(),
        })
        .collect();
    if !hosts.is_empty() {
        variables.push(("PGHOST", hosts.join(OsStr::new(","))));
    }
    let addresses: Vec<_> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
    if !addresses.is_empty() {
        variables.push(("PGHOSTADDR", addresses.join(",").into()));
    }
    let ports: Vec<_> = config.get_ports().iter().map(ToString::to_string).collect();
    if !ports.is_empty() {
        variables.push(("PGPORT", ports.join(",").into()));
    }
    Ok(variables)
}

fn candidates() -> Vec<PathBuf> {
    // Debian's program on the PATH is a script that looks for a version by itself, so it is asked last.
    let on_path = find_program("pg_dump").and_then(|path| path.parent().map(Path::to_owned));
    let mut folders = debian_folders(Path::new(DEBIAN_VERSIONS));
    folders.extend(OTHER_FOLDERS.iter().map(PathBuf::from));
    folders.extend(on_path);
    folders.retain(|folder| {
        ["pg_dump", "pg_restore"]
            .iter()
            .all(|program| is_executable(&folder.join(program)))
    });
    folders
}

fn version_of(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("pg_dump"))
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    major(&String::from_utf8_lossy(&output.stdout))
}

/// The major version in `pg_dump (PostgreSQL) 17.6 (Debian …)`.
fn major(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("(PostgreSQL) ")?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn choose(found: &[(u32, PathBuf)], server: u32) -> Option<&Path> {
    let fitting = found.iter().filter(|(version, _)| *version >= server);
    fitting
        .min_by_key(|(version, _)| *version)
        .map(|(_, folder)| &**folder)
}

fn told(found: &[(u32, PathBuf)]) -> String {
    if found.is_empty() {
        return "none are installed".to_owned();
    }
    let each = found
        .iter()
        .map(|(version, folder)| format!("those of {version} in {}", folder.display()));
    format!("there are only {}", each.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(url: &str) -> Vec<(&'static str, String)> {
        let variables = connection(&url.into()).unwrap().into_iter();
        variables
            .map(|(name, value)| (name, value.into_string().unwrap()))
            .filter(|(name, _)| !["PGCONNECT_TIMEOUT", "PGAPPNAME"].contains(name))
            .collect()
    }

    #[test]
    fn the_nearest_version_that_is_not_older_is_taken() {
        let found = [(18, "/c"), (15, "/a"), (17, "/b")].map(|(version, folder)| (version, folder.into()));
        let folder = |server| choose(&found, server).map(|folder| folder.to_str().unwrap());
        assert_eq!(
            [15, 16, 17, 18, 19].map(folder),
            [Some("/a"), Some("/b"), Some("/b"), Some("/c"), None]
        );
        let told = ClientError::Missing {
            needed: 19,
            found: told(&found),
        }
        .to_string();
        assert!(
            told.contains("postgresql-client-19") && told.contains("those of 15 in /a"),
            "{told}"
        );
    }

    #[test]
    fn a_version_is_read_off_what_the_program_says() {
        assert_eq!(
            major("pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major("pg_dump (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn a_url_is_told_to_programs_by_their_environment() {
        assert_eq!(
            variables("postgresql://ann:s3%40cret@db:5433/shop?sslmode=disable"),
            [
                ("PGUSER", "ann".to_owned()),
                ("PGDATABASE", "shop".to_owned()),
                ("PGPASSWORD", "s3@cret".to_owned()),
                ("PGSSLMODE", "disable".to_owned()),
                ("PGHOST", "db".to_owned()),
                ("PGPORT", "5433".to_owned()),
            ]
        );
        assert_eq!(
            variables("host=/run/postgresql,db user=ann port=1,2"),
            [
                ("PGUSER", "ann".to_owned()),
                ("PGDATABASE", "ann".to_owned()),
                ("PGHOST", "/run/postgresql,db".to_owned()),
                ("PGPORT", "1,2".to_owned()),
            ]
        );
        assert!(connection(&"nonsense".into()).is_err());
    }
}
