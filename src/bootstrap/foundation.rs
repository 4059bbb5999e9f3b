//! What stands before the tree does: the database with its schema and keys, and every adapter over it.

use std::sync::Arc;
use std::time::Duration;

use chrono::Days;
use jobber_actors::tree::Ports;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{BootstrapError, Extras, FirstUser, calls, engine, first_user, logs, settings};
use crate::access::Passwords;
use crate::archive::DiskArchiveStore;
use crate::backup::Backups;
use crate::calls::{CallWork, Calls};
use crate::child::Spawner;
use crate::config::Config;
use crate::logs::LogArchive;
use crate::mqtt::RumqttClients;
use crate::sealing::Keys;
use crate::store::{
    AdminToken, Database, EnsuredToken, JobStore, PostgresCatalogue, PostgresDurableQueue,
    PostgresFunctionStore, PostgresInvocations, PostgresLogStore, PostgresSchedules, PostgresSessionLeases,
    establish_keys, migrate, require_no_key,
};

/// How long a Postgres that does not answer yet is waited for: both are often started at the same moment.
const DATABASE_PATIENCE: Duration = Duration::from_secs(60);
const DATABASE_RETRY: Duration = Duration::from_millis(500);
/// What is made on the I/O runtime before the tree.
pub(super) struct Foundation {
    pub(super) calls: (Calls, CallWork),
    pub(super) database: Database,
    pub(super) archives: DiskArchiveStore,
    pub(super) functions: Arc<PostgresFunctionStore>,
    pub(super) invocations: PostgresInvocations,
    pub(super) ports: Ports,
    pub(super) log_archive: Arc<dyn LogArchive>,
    pub(super) old_logs: Arc<PostgresLogStore>,
    pub(super) token: EnsuredToken,
    pub(super) passwords: Passwords,
    pub(super) keys: Arc<Keys>,
    pub(super) first_user: Option<FirstUser>,
    pub(super) backups: Backups,
}

impl Foundation {
    /// Makes it, on the I/O runtime.
    ///
    /// # Errors
    /// [`BootstrapError`].
    pub(super) async fn lay(
        config: &Config,
        manager_port: u16,
        spawner: Spawner,
        extras: Extras,
    ) -> Result<Self, BootstrapError> {
        let Extras {
            wrap_logs,
            lent_broker,
            without_users,
            recorder,
        } = extras;
        let data = &config.server.data;
        let data_error = |source| BootstrapError::Data {
            path: data.display().to_string(),
            source,
        };
        std::fs::create_dir_all(data).map_err(data_error)?;
        let database = connect(config).await?;
        let applied = migrate(&database).await?;
        if applied > 0 {
            tracing::info!(applied, "brought the database's schema up to date");
        }
        let keys = Arc::new(keys(config, &database).await?);
        let sealed = establish_keys(&database, &keys).await?;
        if sealed > 0 {
            tracing::info!(sealed, "sealed variables that were in the database in clear");
        }
        let archives = DiskArchiveStore::open(data).map_err(data_error)?;
        let backups = Backups::new(settings::backups(config, &database, &archives, &spawner));
        backups.look().await;
        let token = AdminToken::ensure(&database, data).await?;
        let passwords = Passwords::new(Handle::current())?;
        let first_user = if without_users {
            None
        } else {
            first_user::first_user(&database, &passwords, &config.access).await?
        };
        let functions = Arc::new(PostgresFunctionStore::new(
            database.clone(),
            settings::function_store(config),
        ));
        let logs::Logs {
            store,
            archive: log_archive,
            postgres: old_logs,
        } = logs::logs(config, &database).await?;
        let logs = match wrap_logs {
            Some(wrap) => wrap(store, JobStore::new(database.clone())),
            None => store,
        };
        let keep = Days::new(u64::from(config.ledger.retention_days));
        let invocations = PostgresInvocations::new(database.clone(), keep);
        let ports = Ports {
            catalogue: Arc::new(PostgresCatalogue::new(database.clone(), Arc::clone(&keys))),
            archives: Arc::new(archives.clone()),
            engine: engine::engine(config, manager_port, spawner).await?,
            functions: Arc::clone(&functions) as Arc<_>,
            logs,
            invocations: Arc::new(invocations.clone()),
            queue: Arc::new(PostgresDurableQueue::new(
                database.clone(),
                &config.server.name,
                settings::queue(config),
            )),
            schedules: Arc::new(PostgresSchedules::new(
                database.clone(),
                &config.server.name,
                settings::queue(config),
            )),
            mqtt: Arc::new(RumqttClients),
            session_leases: Arc::new(PostgresSessionLeases::new(database.clone())),
            lent_broker,
            recorder,
        };
        Ok(Self {
            calls: calls::calls(config, &database, Arc::clone(&keys)).await?,
            database,
            backups,
            archives,
            functions,
            invocations,
            ports,
            log_archive,
            old_logs,
            token,
            passwords,
            keys,
            first_user,
        })
    }
}

/// Reads the keys of the variables. The first one is made only for a database that was used with none.
async fn keys(config: &Config, database: &Database) -> Result<Keys, BootstrapError> {
    let source = settings::key_source(config);
    if !Keys::exist(&source)? {
        require_no_key(database).await?;
    }
    Ok(Keys::load(source)?)
}

/// Connects, patiently: Postgres may be starting, too.
async fn connect(config: &Config) -> Result<Database, BootstrapError> {
    let database = Database::new(&settings::database(config))?;
    let mut told = false;
    let patiently = async {
        loop {
            match database.ping().await {
                Ok(()) => return,
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "Postgres does not answer yet; waiting for it");
                }
                Err(error) => tracing::debug!(%error, "Postgres does not answer yet"),
            }
            tokio::time::sleep(DATABASE_RETRY).await;
        }
    };
    if timeout(DATABASE_PATIENCE, patiently).await.is_err() {
        database.ping().await?;
    }
    Ok(database)
}
