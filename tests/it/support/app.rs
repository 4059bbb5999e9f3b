//! The whole server but the gateway: Postgres, the tree with real Node runners, and the admin API on a free port.

mod asking;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;

use chrono::Days;
use jobber::access::Passwords;
use jobber::api::{AdminConfig, AdminServer, ApiParts, ApiState, MetricParts};
use jobber::archive::{ArchiveLimits, DiskArchiveStore};
use jobber::backup::{BackupParts, Backups};
use jobber::calls::Calls;
use jobber::child::Spawner;
use jobber::config::{Config, Overrides};
use jobber::engine::ManagerAddress;
use jobber::engine::process::{NodePrograms, ProcessEngine, ProcessEngineConfig};
use jobber::gateway::{Gateway, GatewayConfig};
use jobber::health::{Health, Monitor};
use jobber::logs::LogArchive;
use jobber::mqtt::RumqttClients;
use jobber::publish::{Publisher, PublisherConfig};
use jobber::rollups::{RollupGauge, RollupWriter};
use jobber::sealing::{KeySource, Keys};
use jobber::store::{
    AdminToken, Database, FunctionStoreLimits, PostgresCatalogue, PostgresDurableQueue,
    PostgresFunctionStore, PostgresInvocations, PostgresLogStore, PostgresRollups, PostgresSchedules,
    PostgresSessionLeases, QueueLimits,
};
use jobber_actors::clock::Clock;
use jobber_actors::ports::LogStore;
use jobber_actors::tree::{self, Ports, Servers, TreeHandle, TreeSettings};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::asking::{answer, form};
use super::TestDatabase;
use super::calls::{self, Calling};

/// A secret of 32 bytes in the configuration.
pub const SECRET: &str = "the-secret-of-the-configuration-";

/// Backups that stay.
pub const KEPT_BACKUPS: usize = 3;

/// What keeps functions' lines.
struct LogSide {
    store: Arc<dyn LogStore>,
    archive: Arc<dyn LogArchive>,
}

impl LogSide {
    fn of<T: LogStore + LogArchive>(both: T) -> Self {
        let both = Arc::new(both);
        Self {
            store: Arc::clone(&both) as Arc<_>,
            archive: both,
        }
    }

    fn in_database(db: &TestDatabase) -> Self {
        Self::of(PostgresLogStore::new(db.database.clone()))
    }
}

/// What a server stands on.
struct Ground {
    db: TestDatabase,
    data: Arc<TempDir>,
}

impl From<TestDatabase> for Ground {
    fn from(db: TestDatabase) -> Self {
        let data = Arc::new(tempfile::tempdir().unwrap());
        Self { db, data }
    }
}

/// A running server.
pub struct App {
    pub data: Arc<TempDir>,
    pub url: String,
    pub gateway_url: String,
    pub token: String,
    pub database: Database,
    /// Where functions' lines go.
    pub log_store: Arc<dyn LogStore>,
    /// Counts of minutes that are not kept yet.
    pub waiting: RollupGauge,
    database_url: SecretString,
    sql: tokio_postgres::Client,
    tree: TreeHandle,
    client: reqwest::Client,
    calls: Option<Calls>,
    monitoring: JoinSet<()>,
}

impl App {
    /// Tells a story with a server, and stops the server.
    pub fn story(story: impl AsyncFnOnce(&App)) {
        Self::limited_story(ArchiveLimits::default(), story);
    }

    pub fn limited_story(limits: ArchiveLimits, story: impl AsyncFnOnce(&App)) {
        Self::configured_story(limits, AdminConfig::default(), story);
    }

    pub fn administered_story(admin: AdminConfig, story: impl AsyncFnOnce(&App)) {
        Self::configured_story(ArchiveLimits::default(), admin, story);
    }

    /// With asynchronous calls, and somebody who listens to what the database says.
    pub fn calling_story(calling: Calling, story: impl AsyncFnOnce(&App)) {
        actix_rt::System::new().block_on(async {
            let app = Self::calling_on(TestDatabase::new().await, calling).await;
            story(&app).await;
            app.stop().await;
        });
    }

    /// A server on this database, with asynchronous calls. To be called on an arbiter, and to be stopped.
    pub async fn calling_on(db: TestDatabase, calling: Calling) -> Self {
        let logs = LogSide::in_database(&db);
        let (limits, admin) = (ArchiveLimits::default(), AdminConfig::default());
        Self::start_calling(db.into(), limits, admin, logs, Some(calling)).await
    }

    /// Another server on the same database and packages. To be stopped.
    pub async fn beside(&self) -> Self {
        let db = TestDatabase {
            database: self.database.clone(),
            url: self.database_url.clone(),
        };
        let logs = LogSide::in_database(&db);
        let ground = Ground {
            db,
            data: Arc::clone(&self.data),
        };
        let (limits, admin) = (ArchiveLimits::default(), AdminConfig::default());
        Self::start_calling(ground, limits, admin, logs, None).await
    }

    fn configured_story(limits: ArchiveLimits, admin: AdminConfig, story: impl AsyncFnOnce(&App)) {
        // The tree lives on an arbiter. A panic in the story reaches the test as it is.
        actix_rt::System::new().block_on(async {
            let db = TestDatabase::new().await;
            let logs = LogSide::in_database(&db);
            let app = Self::start(db, limits, admin, logs).await;
            story(&app).await;
            app.stop().await;
        });
    }

    /// Tells a story with a server whose functions' lines go there.
    pub async fn logging_story<T: LogStore + LogArchive>(logs: T, story: impl AsyncFnOnce(&App)) {
        let db = TestDatabase::new().await;
        let (limits, admin) = (ArchiveLimits::default(), AdminConfig::default());
        let app = Self::start(db, limits, admin, LogSide::of(logs)).await;
        story(&app).await;
        app.stop().await;
    }

    /// A server on this database. To be called on an arbiter, and to be stopped.
    pub async fn on(db: TestDatabase) -> Self {
        let logs = LogSide::in_database(&db);
        Self::start(db, ArchiveLimits::default(), AdminConfig::default(), logs).await
    }

    /// Stops the server.
    pub async fn stop(mut self) {
        self.shut_down().await;
        self.monitoring.shutdown().await;
    }

    async fn start(
        db: TestDatabase,
        limits: ArchiveLimits,
        admin_config: AdminConfig,
        logs: LogSide,
    ) -> Self {
        Self::start_calling(db.into(), limits, admin_config, logs, None).await
    }

    async fn start_calling(
        Ground { db, data }: Ground,
        limits: ArchiveLimits,
        admin_config: AdminConfig,
        logs: LogSide,
        calling: Option<Calling>,
    ) -> Self {
        let database = db.database.clone();
        let ensured = AdminToken::ensure(&database, data.path()).await.unwrap();
        let archives = DiskArchiveStore::open(data.path()).unwrap();
        let keys = Arc::new(Keys::load(KeySource::File(data.path().join("master-key"))).unwrap());
        let mut settings = TreeSettings::default();
        if let Some(calling) = &calling {
            settings.max_result_bytes = calling.max_result;
        }
        let calls = match calling {
            Some(calling) => Some(calling.calls(&database, &keys).await),
            None => None,
        };
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (runners, admin, gateway) = (listen(), listen(), listen());
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (admin_url, gateway_url) = (url(&admin), url(&gateway));

        let engine = ProcessEngineConfig {
            manager: ManagerAddress {
                host: "127.0.0.1".to_owned(),
                port: runners.local_addr().unwrap().port(),
            },
            data: data.path().to_owned(),
            // Servers beside one another are of different names.
            instance: format!("it-{}", runners.local_addr().unwrap().port()),
            programs: NodePrograms::discover(&BTreeMap::new()).await.unwrap(),
            memory: None,
        };
        let limits_of_store = FunctionStoreLimits::default();
        let functions = Arc::new(PostgresFunctionStore::new(database.clone(), limits_of_store));
        let invocations = PostgresInvocations::new(database.clone(), Days::new(30));
        let ports = Ports {
            catalogue: Arc::new(PostgresCatalogue::new(database.clone(), Arc::clone(&keys))),
            archives: Arc::new(archives.clone()),
            engine: Arc::new(ProcessEngine::new(engine, Spawner::start().unwrap()).unwrap()),
            functions: Arc::clone(&functions) as Arc<_>,
            logs: Arc::clone(&logs.store),
            invocations: Arc::new(invocations.clone()),
            queue: Arc::new(PostgresDurableQueue::new(
                database.clone(),
                "it",
                QueueLimits::default(),
            )),
            schedules: Arc::new(PostgresSchedules::new(
                database.clone(),
                "it",
                QueueLimits::default(),
            )),
            mqtt: Arc::new(RumqttClients),
            session_leases: Arc::new(PostgresSessionLeases::new(database.clone())),
            lent_broker: Arc::default(),
            recorder: None,
        };
        let publishing = PublisherConfig {
            archive: limits,
            gateway_url: gateway_url.clone(),
            ..PublisherConfig::default()
        };
        let (health, waiting) = (Health::default(), RollupGauge::default());
        let backups = Backups::new(BackupParts {
            database: database.clone(),
            url: db.url.clone(),
            archives: archives.clone(),
            data: data.path().to_owned(),
            folder: data.path().join("backups"),
            keep: KEPT_BACKUPS,
            passphrase: None,
            spawner: Spawner::start().unwrap(),
        });
        let servers = |handle: &TreeHandle| {
            let publisher = Publisher::new(publishing, database.clone(), archives, Arc::new(handle.clone()));
            let gateway =
                Gateway::new(gateway, GatewayConfig::default(), handle.routes(), health.clone()).unwrap();
            let gateway = match &calls {
                Some((calls, _)) => gateway.with_calls(calls.clone()),
                None => gateway,
            };
            let state = ApiState::new(ApiParts {
                health: health.clone(),
                config: admin_config,
                database: database.clone(),
                publisher,
                tree: handle.clone(),
                token: ensured.guard,
                passwords: Passwords::new(Handle::current()).unwrap(),
                keys: Arc::clone(&keys),
                settings: configured().settings,
                functions: Arc::clone(&functions) as Arc<_>,
                logs: logs.archive,
                invocations,
                metrics: MetricParts {
                    gateway: Arc::clone(gateway.gauges()),
                    rollups: rollups(&database),
                    waiting: waiting.clone(),
                },
                backups,
            });
            Servers {
                gateway: Arc::new(gateway),
                admin: Arc::new(AdminServer::new(admin, state).unwrap()),
            }
        };
        let tree = tree::start(settings, ports, vec![runners], Handle::current(), servers).unwrap();
        let mut monitoring = JoinSet::new();
        let mut kept = None;
        let (never, stopped) = watch::channel(false);
        if let Some((calls, work)) = calls {
            monitoring.spawn(work.run(stopped.clone()));
            kept = Some(calls.clone());
            monitoring.spawn(calls::listen(&database, calls, tree.clone(), stopped.clone()));
        }
        let monitor = Monitor::new(health, database, tree.clone());
        monitoring.spawn(async move {
            let _not_yet = never;
            monitor.run(stopped).await;
        });
        Self {
            data,
            url: admin_url,
            log_store: logs.store,
            waiting,
            gateway_url,
            token: ensured.token.unwrap().expose_secret().to_owned(),
            sql: db.client().await,
            database_url: db.url,
            database: db.database,
            tree,
            client: jobber::outgoing::without_tls().build().unwrap(),
            calls: kept,
            monitoring,
        }
    }

    /// What keeps the counts of minutes, by this clock. Nothing does unless it is run.
    pub fn rollup_writer(&self, clock: Clock) -> RollupWriter {
        RollupWriter::new(
            self.tree.clone(),
            rollups(&self.database),
            clock,
            self.waiting.clone(),
        )
    }
}

fn rollups(database: &Database) -> PostgresRollups {
    PostgresRollups::new(database.clone(), Days::new(30))
}

/// What an operator may have set. Nothing of it is in force: the app has what it needs from the test.
fn configured() -> Config {
    let environment = |name: &str| match name {
        "DATABASE_URL" => Some(format!("postgresql://jobber:{SECRET}@database/jobber")),
        "STARTUP_PASSWORD" | "JOBBER_MASTER_KEY" => Some(hex::encode(SECRET)),
        _ => None,
    };
    Config::load_with(None, environment, Overrides::default()).unwrap()
}
