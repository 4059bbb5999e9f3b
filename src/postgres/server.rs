//! Making a data directory and starting a server on it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{Config, NoTls};

use super::{DATABASE, PostgresError, PostgresPrograms, USER, new_password, read_password};
use crate::child::{ChildProcess, DeathSignal, Spawner, log_tail, open_log};

const INIT_TIMEOUT: Duration = Duration::from_secs(120);
/// Long enough to recover from a crash.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// What differs from Postgres's own defaults: small, on loopback, and as durable as ever.
const SETTINGS: [&str; 12] = [
    "listen_addresses=127.0.0.1",
    // A socket's path is limited to 107 bytes, and the data directory may be deep.
    "unix_socket_directories=",
    "shared_buffers=24MB",
    "max_connections=50",
    "max_worker_processes=2",
    "max_parallel_workers=0",
    "autovacuum_max_workers=1",
    "max_wal_size=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "password_encryption=scram-sha-256",
    "log_timezone=UTC",
];

/// Makes the data directory unless it is there and returns the password. What is half made is never used: it gets its
/// name when it is done.
pub(super) async fn initialise(
    programs: &PostgresPrograms,
    folder: &Path,
    spawner: &Spawner,
) -> Result<SecretString, PostgresError> {
    let data = folder.join("data");
    let password_file = folder.join("password");
    let failed = |source| PostgresError::Directory {
        path: folder.to_owned(),
        source,
    };
    if data.is_dir() {
        return read_password(&password_file).map_err(failed);
    }
    let unfinished = folder.join("data.new");
    match std::fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    write_private(&password_file, &new_password()).map_err(failed)?;

    let log = folder.join("initdb.log");
    let mut command = programs.command("initdb", DeathSignal::Kill, spawner);
    let output = File::create(&log).map_err(failed)?;
    command
        .arg("--pgdata")
        .arg(&unfinished)
        .args([
            "--username",
            USER,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .arg("--pwfile")
        .arg(&password_file)
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output);
    let mut initdb = spawner
        .spawn(command)
        .await
        .map_err(|error| PostgresError::Init(error.to_string()))?;
    match timeout(INIT_TIMEOUT, initdb.ended()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(PostgresError::Init(error.to_string())),
        Err(_) => return Err(PostgresError::Init("it took too long".to_owned())),
    }
    let status = initdb
        .finish()
        .map_err(|error| PostgresError::Init(error.to_string()))?;
    if !status.success() {
        return Err(PostgresError::Init(format!("{status}\n{}", log_tail(&log))));
    }
    std::fs::rename(&unfinished, &data).map_err(failed)?;
    read_password(&password_file).map_err(failed)
}

/// Starts the server and waits until it takes connections to its database, which is made at the first start.
pub(super) async fn start(
    programs: &PostgresPrograms,
    folder: &Path,
    port: u16,
    password: &SecretString,
    spawner: &Spawner,
) -> Result<ChildProcess, PostgresError> {
    let log = folder.join("postgres.log");
    let failed = |source| PostgresError::Directory {
        path: folder.to_owned(),
        source,
    };
    let output = open_log(&log).map_err(failed)?;
    let mut command = programs.command("postgres", DeathSignal::Interrupt, spawner);
    command
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-p")
        .arg(port.to_string());
    for setting in SETTINGS {
        command.arg("-c").arg(setting);
    }
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output);
    let not_started = |reason: String| PostgresError::Start {
        reason,
        log: log_tail(&log),
    };
    let mut server = spawner
        .spawn(command)
        .await
        .map_err(|error| not_started(error.to_string()))?;

    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(status) = server
            .try_reap()
            .map_err(|error| not_started(error.to_string()))?
        {
            return Err(not_started(format!("it ended with {status}")));
        }
        match prepare_database(port, password).await {
            Ok(()) => return Ok(server),
            Err(error) if Instant::now() > deadline => {
                return Err(not_started(format!("it takes no connections: {error}")));
            }
            Err(_) => sleep(POLL).await,
        }
    }
}

/// Whether a failed start may do better a moment later: the port was taken by someone else, or the last server's
/// processes have not noticed its death yet.
pub(super) fn is_worth_another_try(log: &str) -> bool {
    [
        "could not bind",
        "Address already in use",
        "pre-existing shared memory block",
        "is still in use",
    ]
    .iter()
    .any(|sign| log.contains(sign))
}

async fn prepare_database(port: u16, password: &SecretString) -> Result<(), tokio_postgres::Error> {
    let mut config = Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(USER)
        .password(password.expose_secret())
        .dbname("postgres")
        .application_name("jobber start")
        .connect_timeout(CONNECT_TIMEOUT);
    let (client, connection) = config.connect(NoTls).await?;
    let work = async {
        let there = client
            .query_opt("select 1 from pg_database where datname = $1", &[&DATABASE])
            .await?;
        if there.is_none() {
            client
                .batch_execute(&format!("create database {DATABASE}"))
                .await?;
        }
        drop(client);
        Ok(())
    };
    let (worked, _closed) = tokio::join!(work, connection);
    worked
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
