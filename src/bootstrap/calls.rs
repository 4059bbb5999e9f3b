//! Asynchronous calls and their callbacks.

use std::sync::Arc;

use super::{BootstrapError, settings};
use crate::callbacks::{Gate, SystemNames};
use crate::calls::{CallParts, CallWork, Calls, Locations};
use crate::config::Config;
use crate::sealing::Keys;
use crate::store::{CallStore, Database, SecretStore};

/// Calls in this database, and the work that has to run for them.
pub(super) async fn calls(
    config: &Config,
    database: &Database,
    keys: Arc<Keys>,
) -> Result<(Calls, CallWork), BootstrapError> {
    let secrets = SecretStore::new(database.clone(), keys);
    let parts = CallParts {
        config: settings::calls(config),
        store: CallStore::new(database.clone(), settings::call_limits(config)),
        locations: Locations::new(&secrets.locations().await?),
        secrets,
        gate: Gate::new(config.calls.callback_hosts.clone(), Arc::new(SystemNames)),
        manners: settings::callbacks(config),
    };
    Calls::new(parts).await.map_err(BootstrapError::Callbacks)
}
