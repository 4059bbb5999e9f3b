//! Puts the server together. Only this module knows every adapter: everything else knows ports.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::Days;
use jobber_actors::clock::Clock;
use jobber_actors::mqtt::SharedLentBroker;
use jobber_actors::ports::{EngineError, LogStore};
use jobber_actors::trace::SharedRecorder;
use jobber_actors::tree::{self, Servers, TreeHandle};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::access::PasswordError;
use crate::api::{AdminServer, ApiParts, ApiState, MetricParts};
use crate::backup::{BackupScheduler, Backups};
use crate::child::Spawner;
use crate::config::Config;
use crate::engine::process::NodeProgramError;
use crate::gateway::Gateway;
use crate::health::Health;
use crate::logs::loki::LokiError;
use crate::publish::Publisher;
use crate::rollups::RollupGauge;
use crate::sealing::KeyFileError;
use crate::store::{
    AdminTokenError, CallStore, Database, DatabaseError, EnsuredToken, FireStore, JobStore, MigrationError,
    PostgresRollups, SealedError,
};

mod calls;
mod engine;
mod first_user;
mod foundation;
mod logs;
mod settings;
mod sockets;
mod upkeep;

use foundation::Foundation;

pub use first_user::FirstUser;
pub(crate) use settings::{database as database_settings, key_source};
pub use sockets::Sockets;

/// How long what is not part of the tree may take to end after it.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A port is taken or not allowed.
    #[error("can not listen on {address} ({variable})")]
    Listen {
        /// What was to be listened on.
        address: SocketAddr,
        /// The option that says so.
        variable: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The data directory can not be used.
    #[error("the data directory {path} (JOBBER_DATA) can not be used: {source}")]
    Data {
        /// Which.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Postgres is out of reach.
    #[error("Postgres (DATABASE_URL): {0}")]
    Database(#[from] DatabaseError),
    /// The schema can not be brought up to date.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The API's token can not be kept.
    #[error(transparent)]
    Token(#[from] AdminTokenError),
    /// The first user's password can not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The keys of the variables can not be read.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The variables can not be opened with these keys.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// Callbacks can not be sent.
    #[error("callbacks of asynchronous calls can not be sent: {0}")]
    Callbacks(String),
    /// The logs can not go where they should.
    #[error(transparent)]
    Loki(#[from] LokiError),
    /// The engine is out of reach.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A configured Node program is not what it should be.
    #[error(transparent)]
    Node(#[from] NodeProgramError),
    /// The system refused a thread or a process.
    #[error("the server could not be set up: {0}")]
    System(#[from] io::Error),
}

/// Puts something in front of the store of the functions' logs.
pub type WrapLogs = Box<dyn FnOnce(Arc<dyn LogStore>, JobStore) -> Arc<dyn LogStore> + Send>;

/// What a command adds to a server.
#[derive(Default)]
pub struct Extras {
    /// In front of the store of the functions' logs.
    pub wrap_logs: Option<WrapLogs>,
    /// A broker for packages that name none.
    pub lent_broker: SharedLentBroker,
    /// No user is made: whoever started this has its token.
    pub without_users: bool,
    /// Who records the spans of invocations.
    pub recorder: SharedRecorder,
}

/// A server that runs.
pub struct Server {
    /// The supervision tree.
    pub tree: TreeHandle,
    /// Publishes packages.
    pub publisher: Publisher,
    /// What is published.
    pub jobs: JobStore,
    /// The API's token.
    pub token: EnsuredToken,
    /// A user that was made just now, whose password somebody has to be told.
    pub first_user: Option<FirstUser>,
    /// Where the API listens.
    pub admin: SocketAddr,
    /// Where functions answer.
    pub gateway: SocketAddr,
    /// How it is.
    pub health: Health,
    database: Database,
    backups: Backups,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    deadline: Duration,
}

impl Server {
    /// Starts the server. To be called on an arbiter, which becomes the tree's; `io` is the runtime of everything that
    /// waits for something outside.
    ///
    /// # Errors
    /// [`BootstrapError`]; then nothing keeps running.
    pub async fn start(
        config: &Config,
        sockets: Sockets,
        spawner: Spawner,
        extras: Extras,
        io: &Handle,
    ) -> Result<Self, BootstrapError> {
        let manager_port = sockets.manager_port()?;
        let mut tasks = JoinSet::new();
        let config_copy = config.clone();
        let foundation = on(io, async move {
            Foundation::lay(&config_copy, manager_port, spawner, extras).await
        })
        .await??;
        let Foundation {
            calls: (calls, call_work),
            database,
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
            backups,
        } = foundation;

        let admin = sockets.admin.local_addr()?;
        let gateway = sockets.gateway.local_addr()?;
        let publisher_config = settings::publisher(config, gateway);
        let admin_config = settings::admin(config, gateway);
        let health = Health::default();
        let keep = Days::new(u64::from(config.metrics.retention_days));
        let (rollups, waiting) = (
            PostgresRollups::new(database.clone(), keep),
            RollupGauge::default(),
        );
        let mut made = None;
        let tree = tree::start(
            settings::tree(config),
            ports,
            sockets.managers,
            io.clone(),
            |tree| {
                let publisher = Publisher::new(
                    publisher_config,
                    database.clone(),
                    archives.clone(),
                    Arc::new(tree.clone()),
                );
                let gateway = Gateway::new(
                    sockets.gateway,
                    settings::gateway(config),
                    tree.routes(),
                    health.clone(),
                )
                .expect("the socket told its address a moment ago")
                .with_calls(calls.clone());
                let state = ApiState::new(ApiParts {
                    health: health.clone(),
                    config: admin_config,
                    database: database.clone(),
                    publisher: publisher.clone(),
                    tree: tree.clone(),
                    token: token.guard.clone(),
                    passwords,
                    keys,
                    settings: config.settings.clone(),
                    functions: Arc::clone(&functions) as Arc<_>,
                    logs: log_archive,
                    invocations: invocations.clone(),
                    metrics: MetricParts {
                        gateway: Arc::clone(gateway.gauges()),
                        rollups: rollups.clone(),
                        waiting: waiting.clone(),
                    },
                    backups: backups.clone(),
                });
                let admin =
                    AdminServer::new(sockets.admin, state).expect("the socket told its address a moment ago");
                made = Some(publisher);
                Servers {
                    gateway: Arc::new(gateway),
                    admin: Arc::new(admin),
                }
            },
        )?;
        let publisher = made.expect("the tree makes its servers before it starts");

        let (stop, stopped) = watch::channel(false);
        if let Some(schedule) = config.backups.schedule.clone() {
            let scheduler = BackupScheduler::new(backups.clone(), schedule, Clock::System);
            tasks.spawn_on(scheduler.run(stopped.clone()), io);
        }
        upkeep::begin(
            &mut tasks,
            io,
            upkeep::Parts {
                calls,
                call_work,
                call_store: CallStore::new(database.clone(), settings::call_limits(config)),
                database: database.clone(),
                archives,
                functions,
                logs: old_logs,
                log_retention: config.logs.retention,
                fires: FireStore::new(database.clone(), settings::queue(config)),
                invocations,
                rollups,
                waiting,
                tree: tree.clone(),
                health: health.clone(),
                stopped,
            },
        );
        Ok(Self {
            tree,
            publisher,
            jobs: JobStore::new(database.clone()),
            token,
            first_user,
            admin,
            gateway,
            health,
            database,
            backups,
            stop,
            tasks,
            deadline: config.server.shutdown_deadline,
        })
    }

    /// Stops accepting, lets finish what runs up to the deadline, ends all runners.
    pub async fn stop(mut self) {
        self.health.shutting_down();
        if let Err(error) = self.tree.shutdown(self.deadline).await {
            tracing::warn!(%error, "runners may be left; the next start removes them");
        }
        self.stop.send_replace(true);
        let rest = async {
            self.backups.shutdown().await;
            self.publisher.shutdown().await;
            while self.tasks.join_next().await.is_some() {}
        };
        if timeout(LAST_TASKS, rest).await.is_err() {
            tracing::warn!("some background work did not end in time");
        }
        self.database.close();
    }
}

/// Runs something on another runtime and awaits it here.
pub(crate) async fn on<T: Send + 'static>(
    io: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let mut one = JoinSet::new();
    one.spawn_on(work, io);
    match one.join_next().await {
        Some(done) => done.map_err(io::Error::other),
        None => Err(io::Error::other("the work was lost")),
    }
}
