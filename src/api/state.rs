//! What the handlers work on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobber_actors::ports::FunctionStore;
use jobber_actors::tree::TreeHandle;
use tokio::sync::{Semaphore, watch};

use super::access::Access;
use super::config::AdminConfig;
use super::events::Lookout;
use super::first_start::EverSignedIn;
use super::invocations::Replays;
use super::problem::ApiError;
use crate::access::{Action, LoginLimiter, Passwords, Resource};
use crate::backup::Backups;
use crate::config::Setting;
use crate::gateway::Gauges;
use crate::health::Health;
use crate::logs::LogArchive;
use crate::process::Started;
use crate::publish::Publisher;
use crate::rollups::RollupGauge;
use crate::sealing::Keys;
use crate::store::{
    AdminToken, ApiTokenStore, AuditStore, Database, DeadLetterStore, EnvironmentStore, FigureCache,
    FireStore, JobStore, JobSummary, PostgresInvocations, PostgresRollups, SecretStore, SessionStore,
    UserStore,
};

/// Everything behind the API. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(super) config: Arc<AdminConfig>,
    pub(super) database: Database,
    pub(super) jobs: JobStore,
    pub(super) environment: EnvironmentStore,
    pub(super) secrets: SecretStore,
    pub(super) logs: Arc<dyn LogArchive>,
    pub(super) invocations: PostgresInvocations,
    pub(super) metrics: MetricSources,
    pub(super) dead_letters: DeadLetterStore,
    pub(super) fires: FireStore,
    pub(super) publisher: Publisher,
    pub(super) tree: TreeHandle,
    pub(super) token: AdminToken,
    pub(super) users: UserStore,
    pub(super) sessions: SessionStore,
    pub(super) api_tokens: ApiTokenStore,
    pub(super) audit: AuditStore,
    pub(super) backups: Backups,
    pub(super) passwords: Passwords,
    pub(super) health: Health,
    pub(super) settings: Arc<[Setting]>,
    pub(super) functions: Arc<dyn FunctionStore>,
    pub(super) replays: Replays,
    pub(super) ever_signed_in: EverSignedIn,
    attempts: Arc<Mutex<LoginLimiter>>,
    pub(super) uploads: Arc<Semaphore>,
    pub(super) followers: Arc<Semaphore>,
    pub(super) exports: Arc<Semaphore>,
    pub(super) lookout: Lookout,
    leaving: Arc<watch::Sender<bool>>,
}

/// What the API is made of.
pub struct ApiParts {
    /// How it behaves.
    pub config: AdminConfig,
    /// Where everything is.
    pub database: Database,
    /// Publishes packages.
    pub publisher: Publisher,
    /// The supervision tree.
    pub tree: TreeHandle,
    /// The instance's own token.
    pub token: AdminToken,
    /// Checks passwords.
    pub passwords: Passwords,
    /// What variables are sealed with.
    pub keys: Arc<Keys>,
    /// How the server is configured, secrets masked.
    pub settings: Vec<Setting>,
    /// What functions keep.
    pub functions: Arc<dyn FunctionStore>,
    /// How the server is.
    pub health: Health,
    /// What functions log.
    pub logs: Arc<dyn LogArchive>,
    /// The record of invocations.
    pub invocations: PostgresInvocations,
    /// What is counted elsewhere than in the tree.
    pub metrics: MetricParts,
    /// Backups.
    pub backups: Backups,
}

/// What is counted elsewhere than in the tree.
pub struct MetricParts {
    /// The gateway's requests.
    pub gateway: Arc<Gauges>,
    /// What every minute came to.
    pub rollups: PostgresRollups,
    /// How much of that waits to be kept.
    pub waiting: RollupGauge,
}

/// Where the numbers come from that the tree does not have.
#[derive(Clone)]
pub(super) struct MetricSources {
    pub(super) gateway: Arc<Gauges>,
    pub(super) rollups: PostgresRollups,
    pub(super) waiting: RollupGauge,
    pub(super) stored: FigureCache,
    pub(super) started: Started,
}

impl ApiState {
    /// The API over these parts.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let ApiParts {
            config,
            database,
            publisher,
            tree,
            token,
            passwords,
            keys,
            settings,
            functions,
            health,
            logs,
            invocations,
            metrics,
            backups,
        } = parts;
        let MetricParts {
            gateway,
            rollups,
            waiting,
        } = metrics;
        let metrics = MetricSources {
            gateway,
            rollups,
            waiting,
            stored: FigureCache::new(database.clone()),
            started: Started::now(),
        };
        Self {
            users: UserStore::new(database.clone()),
            sessions: SessionStore::new(database.clone()),
            api_tokens: ApiTokenStore::new(database.clone()),
            audit: AuditStore::new(database.clone()),
            attempts: Arc::new(Mutex::new(LoginLimiter::new(config.logins))),
            replays: Replays::new(tree.changes().clone()),
            ever_signed_in: EverSignedIn::default(),
            jobs: JobStore::new(database.clone()),
            environment: EnvironmentStore::new(database.clone(), Arc::clone(&keys)),
            secrets: SecretStore::new(database.clone(), keys),
            logs,
            dead_letters: DeadLetterStore::new(database.clone()),
            fires: FireStore::new(database.clone(), config.queue),
            uploads: Arc::new(Semaphore::new(config.uploads)),
            followers: Arc::new(Semaphore::new(config.followers)),
            exports: Arc::new(Semaphore::new(config.exports)),
            leaving: Arc::new(watch::Sender::new(false)),
            lookout: Lookout::new(tree.clone(), health.clone(), backups.clone()),
            config: Arc::new(config),
            settings: settings.into(),
            passwords,
            functions,
            health,
            invocations,
            metrics,
            backups,
            database,
            publisher,
            tree,
            token,
        }
    }

    /// The job that a path names by its id or its name, for whoever may do this with it, or with a part of it.
    ///
    /// # Errors
    /// `404` when there is none, `403` when it is not allowed. Whoever may not even ask hears nothing of which jobs there are.
    pub(super) async fn job(
        &self,
        access: &Access,
        action: Action,
        id_or_name: &str,
        part: &[&str],
    ) -> Result<JobSummary, ApiError> {
        let below = |job: Resource| part.iter().fold(job, |job, name| job.below(name));
        let Some(job) = self.jobs.find(id_or_name).await? else {
            access.require(action, &below(Resource::of("job").below(id_or_name)))?;
            return Err(ApiError::no_job(id_or_name));
        };
        access.require(action, &below(resource(&job)))?;
        Ok(job)
    }

    /// Says whether the server stops, so that answers without an end do not keep it.
    pub(super) fn leave(&self, leaves: bool) {
        self.leaving.send_replace(leaves);
    }

    /// Whether the server stops.
    pub(super) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Hears when the server stops.
    pub(super) fn leaving(&self) -> watch::Receiver<bool> {
        self.leaving.subscribe()
    }

    /// The attempts to log in.
    pub(super) fn attempts(&self) -> MutexGuard<'_, LoginLimiter> {
        // Counters; a panic leaves none of them half written.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job as permissions name it.
pub(super) fn resource(job: &JobSummary) -> Resource {
    Resource::of("job").below_either(job.id, &job.name)
}
