//! What backups and restores ask of Postgres, each on a connection of its own.

use chrono::{DateTime, Utc};
use jobber_actors::domain::ArchiveDigest;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use super::database::Database;
use super::error::{DatabaseError, describe};
use crate::sealing::KeyId;

/// Held by a backup and by a restore: one at a time, over all servers.
const BACKUP_LOCK: i64 = 0x006a_6f62_6261_636b;
const TRY_LOCK: &str = "select pg_try_advisory_lock($1)";
/// Where what was there waits while a restore may still fail.
pub(crate) const ASIDE: &str = "jobber_before_restore";
/// The audit log's word for a scheduled backup.
pub const SCHEDULED: &str = "scheduled backup";
/// A server of before the first backup counts from when its token was made.
const LAST_SCHEDULED: &str = "
    select coalesce(
        (select (after ->> 'due')::timestamptz from audit_log where action = $1 and status < 400 order by sequence desc limit 1),
        (select created_at from admin_token),
        now())";
const ABOUT: &str = "
    select pg_export_snapshot(), now(), current_setting('server_version_num')::int4 / 10000,
        (select max(version)::int8 from refinery_schema_history)";
const ARCHIVES: &str = "select distinct archive from versions order by archive";
const KEYS: &str = "
    select key_id from master_key
    union select substr(sealed, 2, 8) from environment_variables where sealed is not null
    union select substr(sealed, 2, 8) from secrets
    order by 1";
/// Whatever a dump could meet: relations, functions and types that belong to no relation.
const THINGS: &str = "
    select (select count(*) from pg_class where relnamespace = n.oid and relkind in ('r', 'p', 'v', 'm', 'S', 'f'))
        + (select count(*) from pg_proc where pronamespace = n.oid)
    from pg_namespace n where nspname = $1";
const HAS_JOBS: &str =
    "select to_regclass('public.jobs') is not null and to_regclass('public.versions') is not null";
const COUNTS: &str = "select (select count(*) from public.jobs), (select count(*) from public.versions)";
/// Servers say their name; whoever restores is none.
const SERVERS: &str = "
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and application_name = 'jobber'";

/// A connection with the lock of backups.
#[derive(Debug)]
pub struct BackupSession {
    client: Client,
    /// Drives the connection, which ends with it.
    _driver: JoinSet<()>,
}

/// A moment of the database, as long as the session lives.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its name for other sessions.
    pub id: String,
    /// When it was.
    pub taken: DateTime<Utc>,
    /// The server's major version.
    pub postgres: u32,
    /// The number of the newest migration.
    pub schema: u32,
    /// The packages that versions refer to.
    pub archives: Vec<ArchiveDigest>,
    /// The keys that sealed values need.
    pub keys: Vec<KeyId>,
}

/// How much there is of what people know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Jobs.
    pub jobs: i64,
    /// Versions of them.
    pub versions: i64,
}

impl BackupSession {
    /// Connects and takes the lock. `None` if somebody else has it.
    ///
    /// # Errors
    /// [`DatabaseError`] when Postgres is out of reach.
    pub async fn begin(database: &Database) -> Result<Option<Self>, DatabaseError> {
        let (client, connection) = database.dedicated().await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(
                    error = describe(&error),
                    "the database connection of a backup ended"
                );
            }
        });
        let session = Self {
            client,
            _driver: driver,
        };
        // Between two statements a dump may take its time.
        let patience = "set idle_in_transaction_session_timeout = 0; set statement_timeout = 0";
        session.client.batch_execute(patience).await?;
        let row = session.client.query_one(TRY_LOCK, &[&BACKUP_LOCK]).await?;
        Ok(row.get::<_, bool>(0).then_some(session))
    }

    /// Holds on to the database as it is now.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn snapshot(&self) -> Result<Snapshot, DatabaseError> {
        let begin = "begin transaction isolation level repeatable read read only";
        self.client.batch_execute(begin).await?;
        let about = self.client.query_one(ABOUT, &[]).await?;
        let archives = self.client.query(ARCHIVES, &[]).await?;
        let keys = self.client.query(KEYS, &[]).await?;
        let number = |value: i64| {
            u32::try_from(value).map_err(|_| DatabaseError::Unexpected(format!("the version {value}")))
        };
        Ok(Snapshot {
            id: about.get(0),
            taken: about.get(1),
            postgres: number(about.get::<_, i32>(2).into())?,
            schema: number(about.get(3))?,
            archives: archives
                .iter()
                .map(|row| digest(row.get(0)))
                .collect::<Result<_, _>>()?,
            keys: keys.iter().map(|row| key(row.get(0))).collect::<Result<_, _>>()?,
        })
    }

    /// The major version of the database's server.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn postgres(&self) -> Result<u32, DatabaseError> {
        let version = "select current_setting('server_version_num')::int4 / 10000";
        let row = self.client.query_one(version, &[]).await?;
        Ok(u32::try_from(row.get::<_, i32>(0)).unwrap_or(0))
    }

    /// How many connections servers have to this database.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn servers(&self) -> Result<i64, DatabaseError> {
        Ok(self.client.query_one(SERVERS, &[]).await?.get(0))
    }

    /// Whether there is nothing in the database.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn is_empty(&self) -> Result<bool, DatabaseError> {
        self.has_nothing("public").await
    }

    /// What a person would miss of this database.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn stock(&self) -> Result<Stock, DatabaseError> {
        if !self.client.query_one(HAS_JOBS, &[]).await?.get::<_, bool>(0) {
            return Ok(Stock::default());
        }
        let row = self.client.query_one(COUNTS, &[]).await?;
        Ok(Stock {
            jobs: row.get(0),
            versions: row.get(1),
        })
    }

    /// Whether a restore was cut off that had put aside what was there.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn is_interrupted(&self) -> Result<bool, DatabaseError> {
        Ok(!self.has_nothing(ASIDE).await?)
    }

    /// Puts all that there is aside, so that there is nothing.
    ///
    /// # Errors
    /// [`DatabaseError`]; then all is as it was.
    pub async fn put_aside(&self) -> Result<(), DatabaseError> {
        let put = format!(
            "set lock_timeout = '10s'; begin; drop schema if exists {ASIDE}; alter schema public rename to {ASIDE}; create schema public; commit"
        );
        self.undone_if_refused(&put).await
    }

    /// Drops all that there is, and puts back what was put aside.
    ///
    /// # Errors
    /// [`DatabaseError`]; then what was put aside still is.
    pub async fn put_back(&self) -> Result<(), DatabaseError> {
        let put = format!(
            "set lock_timeout = '10s'; begin; drop schema if exists public cascade; alter schema {ASIDE} rename to public; commit"
        );
        self.undone_if_refused(&put).await
    }

    /// Drops what was put aside.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn forget_aside(&self) -> Result<(), DatabaseError> {
        let forget = format!("drop schema if exists {ASIDE} cascade");
        Ok(self.client.batch_execute(&forget).await?)
    }

    /// The number of the newest migration of what was restored.
    ///
    /// # Errors
    /// [`DatabaseError`] also when there is none.
    pub async fn schema(&self) -> Result<u32, DatabaseError> {
        let newest = "select max(version)::int8 from public.refinery_schema_history";
        let row = self.client.query_one(newest, &[]).await?;
        let newest: Option<i64> = row.get(0);
        newest
            .and_then(|newest| u32::try_from(newest).ok())
            .ok_or_else(|| DatabaseError::Unexpected("no schema".to_owned()))
    }

    async fn undone_if_refused(&self, statements: &str) -> Result<(), DatabaseError> {
        let done = self.client.batch_execute(statements).await;
        if done.is_err() {
            self.client.batch_execute("rollback").await?;
        }
        Ok(done?)
    }

    async fn has_nothing(&self, schema: &str) -> Result<bool, DatabaseError> {
        let row = self.client.query_opt(THINGS, &[&schema]).await?;
        Ok(row.is_none_or(|row| row.get::<_, i64>(0) == 0))
    }
}

/// Up to when the schedule of backups was dealt with.
///
/// # Errors
/// [`DatabaseError`].
pub async fn last_scheduled_backup(database: &Database) -> Result<DateTime<Utc>, DatabaseError> {
    let client = database.client().await?;
    Ok(client.query_one(LAST_SCHEDULED, &[&SCHEDULED]).await?.get(0))
}

fn digest(bytes: &[u8]) -> Result<ArchiveDigest, DatabaseError> {
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| DatabaseError::Unexpected("a digest that is not of 32 bytes".to_owned()))?;
    Ok(bytes.into())
}

fn key(bytes: &[u8]) -> Result<KeyId, DatabaseError> {
    KeyId::from_bytes(bytes)
        .ok_or_else(|| DatabaseError::Unexpected("a key's id that is not of 8 bytes".to_owned()))
}
