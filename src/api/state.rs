//! What the handlers work on.

use std::sync::Arc;

use jobber_actors::tree::TreeHandle;
use tokio::sync::Semaphore;

use super::config::AdminConfig;
use super::problem::ApiError;
use crate::publish::Publisher;
use crate::store::{
    AdminToken, Database, DeadLetterStore, EnvironmentStore, FireStore, JobStore, JobSummary,
    PostgresLogStore,
};

/// Everything behind the API. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(super) config: Arc<AdminConfig>,
    pub(super) database: Database,
    pub(super) jobs: JobStore,
    pub(super) environment: EnvironmentStore,
    pub(super) logs: PostgresLogStore,
    pub(super) dead_letters: DeadLetterStore,
    pub(super) fires: FireStore,
    pub(super) publisher: Publisher,
    pub(super) tree: TreeHandle,
    pub(super) token: AdminToken,
    pub(super) uploads: Arc<Semaphore>,
}

impl ApiState {
    /// The API over these parts.
    #[must_use]
    pub fn new(
        config: AdminConfig,
        database: Database,
        publisher: Publisher,
        tree: TreeHandle,
        token: AdminToken,
    ) -> Self {
        Self {
            jobs: JobStore::new(database.clone()),
            environment: EnvironmentStore::new(database.clone()),
            logs: PostgresLogStore::new(database.clone()),
            dead_letters: DeadLetterStore::new(database.clone()),
            fires: FireStore::new(database.clone(), config.queue),
            uploads: Arc::new(Semaphore::new(config.uploads)),
            config: Arc::new(config),
            database,
            publisher,
            tree,
            token,
        }
    }

    /// The job that a path names by its id or its name.
    pub(super) async fn job(&self, id_or_name: &str) -> Result<JobSummary, ApiError> {
        self.jobs
            .find(id_or_name)
            .await?
            .ok_or_else(|| ApiError::no_job(id_or_name))
    }
}
