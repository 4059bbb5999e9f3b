//! Where the functions' logs go, as the configuration says.

use std::sync::Arc;

use jobber_actors::ports::LogStore;

use crate::config::{Config, LogDriver};
use crate::logs::loki::{LokiError, LokiLogs};
use crate::logs::{LogArchive, NoLogs};
use crate::store::{Database, PostgresLogStore};

/// What keeps the logs, for whoever writes and whoever reads them.
pub(super) struct Logs {
    pub(super) store: Arc<dyn LogStore>,
    pub(super) archive: Arc<dyn LogArchive>,
    /// Old lines in Postgres go, whatever keeps the new ones.
    pub(super) postgres: Arc<PostgresLogStore>,
}

/// What the configuration asks for.
///
/// # Errors
/// [`LokiError`]; that Loki does not answer is none.
pub(super) async fn logs(config: &Config, database: &Database) -> Result<Logs, LokiError> {
    let postgres = Arc::new(PostgresLogStore::new(database.clone()));
    match &config.logs.driver {
        LogDriver::Database => Ok(Logs {
            store: Arc::clone(&postgres) as Arc<_>,
            archive: Arc::clone(&postgres) as Arc<_>,
            postgres,
        }),
        LogDriver::None => Ok(Logs {
            store: Arc::new(NoLogs),
            archive: Arc::new(NoLogs),
            postgres,
        }),
        LogDriver::Loki(loki) => {
            let loki = Arc::new(LokiLogs::new(loki).await?);
            Ok(Logs {
                store: Arc::clone(&loki) as Arc<_>,
                archive: loki,
                postgres,
            })
        }
    }
}
