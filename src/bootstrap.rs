//! Puts the server together. The only file that knows every adapter: everything else knows ports.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use jobber_actors::manifest::ByteSize;
use jobber_actors::ports::{Engine, EngineError, LogStore};
use jobber_actors::tree::{self, Ports, Servers, TreeHandle, TreeSettings};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api::{AdminConfig, AdminServer, ApiState};
use crate::archive::{ArchiveLimits, DiskArchiveStore};
use crate::child::Spawner;
use crate::config::{Config, EngineKind, ServerSection};
use crate::engine::ManagerAddress;
use crate::engine::docker::{DockerEngine, DockerEngineConfig};
use crate::engine::process::{NodeProgramError, NodePrograms, ProcessEngine, ProcessEngineConfig};
use crate::gateway::{Gateway, GatewayConfig};
use crate::publish::{Publisher, PublisherConfig};
use crate::store::{
    AdminToken, AdminTokenError, Database, DatabaseConfig, DatabaseError, EnsuredToken, FunctionStoreLimits,
    JobStore, MigrationError, PostgresCatalogue, PostgresFunctionStore, PostgresLogStore, migrate,
};

mod upkeep;

/// How long a Postgres that does not answer yet is waited for: both are often started at the same moment.
const DATABASE_PATIENCE: Duration = Duration::from_secs(60);
const DATABASE_RETRY: Duration = Duration::from_millis(500);
/// How long what is not part of the tree may take to end after it.
const LAST_TASKS: Duration = Duration::from_secs(5);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A port is taken or not allowed.
    #[error("can not listen on {address} ({variable}): {source}")]
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

/// The sockets, bound before anything else so that a taken port is known at once.
#[derive(Debug)]
pub struct Sockets {
    admin: TcpListener,
    gateway: TcpListener,
    managers: Vec<TcpListener>,
}

impl Sockets {
    /// Binds all ports. `runners` is a further address on which the manager listens, on the same port.
    ///
    /// # Errors
    /// [`BootstrapError::Listen`].
    pub fn bind(server: &ServerSection, runners: Option<IpAddr>) -> Result<Self, BootstrapError> {
        let admin = listen(server.admin.address(), "ADMIN_PORT")?;
        let gateway = listen(server.gateway.address(), "GATEWAY_PORT")?;
        let manager = listen(server.manager.address(), "MANAGER_PORT")?;
        let mut managers = Vec::new();
        if let Some(address) = runners {
            let port = manager.local_addr()?.port();
            managers.push(listen((address, port).into(), "MANAGER_PORT")?);
        }
        managers.insert(0, manager);
        Ok(Self {
            admin,
            gateway,
            managers,
        })
    }

    fn manager_port(&self) -> io::Result<u16> {
        self.managers.first().map_or(Ok(0), |manager| {
            manager.local_addr().map(|address| address.port())
        })
    }
}

fn listen(address: SocketAddr, variable: &'static str) -> Result<TcpListener, BootstrapError> {
    TcpListener::bind(address).map_err(|source| BootstrapError::Listen {
        address,
        variable,
        source,
    })
}

/// Puts something in front of the store of the functions' logs.
pub type WrapLogs = Box<dyn FnOnce(Arc<dyn LogStore>, JobStore) -> Arc<dyn LogStore> + Send>;

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
    /// Where the API listens.
    pub admin: SocketAddr,
    /// Where functions answer.
    pub gateway: SocketAddr,
    database: Database,
    gateway_server: Arc<Gateway<jobber_actors::gateway::RouteTarget>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    deadline: Duration,
}

/// What is made on the I/O runtime before the tree.
struct Foundation {
    database: Database,
    archives: DiskArchiveStore,
    functions: Arc<PostgresFunctionStore>,
    ports: Ports,
    token: EnsuredToken,
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
        wrap_logs: Option<WrapLogs>,
        io: &Handle,
    ) -> Result<Self, BootstrapError> {
        let manager_port = sockets.manager_port()?;
        let mut tasks = JoinSet::new();
        let (config_copy, wrap) = (config.clone(), wrap_logs);
        let foundation = on(io, async move {
            Foundation::lay(&config_copy, manager_port, spawner, wrap).await
        })
        .await??;
        let Foundation {
            database,
            archives,
            functions,
            ports,
            token,
        } = foundation;

        let admin = sockets.admin.local_addr()?;
        let gateway = sockets.gateway.local_addr()?;
        let publisher_config = publisher_config(config, gateway);
        let mut made = None;
        let tree = tree::start(
            tree_settings(config),
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
                let state = ApiState::new(
                    AdminConfig::default(),
                    database.clone(),
                    publisher.clone(),
                    tree.clone(),
                    token.guard.clone(),
                );
                let gateway = Gateway::new(sockets.gateway, gateway_config(config), tree.routes())
                    .expect("the socket told its address a moment ago");
                let admin =
                    AdminServer::new(sockets.admin, state).expect("the socket told its address a moment ago");
                let gateway = Arc::new(gateway);
                made = Some((publisher, Arc::clone(&gateway)));
                Servers {
                    gateway,
                    admin: Arc::new(admin),
                }
            },
        )?;
        let (publisher, gateway_server) = made.expect("the tree makes its servers before it starts");

        let (stop, stopped) = watch::channel(false);
        upkeep::begin(
            &mut tasks,
            io,
            upkeep::Parts {
                database: database.clone(),
                archives,
                functions,
                tree: tree.clone(),
                gateway: Arc::clone(&gateway_server),
                stopped,
            },
        );
        Ok(Self {
            tree,
            publisher,
            jobs: JobStore::new(database.clone()),
            token,
            admin,
            gateway,
            database,
            gateway_server,
            stop,
            tasks,
            deadline: config.server.shutdown_deadline,
        })
    }

    /// Stops accepting, lets finish what runs up to the deadline, ends all runners.
    pub async fn stop(mut self) {
        self.gateway_server.set_ready(false);
        if let Err(error) = self.tree.shutdown(self.deadline).await {
            tracing::warn!(%error, "runners may be left; the next start removes them");
        }
        self.stop.send_replace(true);
        let rest = async {
            self.publisher.shutdown().await;
            while self.tasks.join_next().await.is_some() {}
        };
        if timeout(LAST_TASKS, rest).await.is_err() {
            tracing::warn!("some background work did not end in time");
        }
        self.database.close();
    }
}

impl Foundation {
    async fn lay(
        config: &Config,
        manager_port: u16,
        spawner: Spawner,
        wrap_logs: Option<WrapLogs>,
    ) -> Result<Self, BootstrapError> {
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
        let archives = DiskArchiveStore::open(data).map_err(data_error)?;
        let token = AdminToken::ensure(&database, data).await?;
        let limits = FunctionStoreLimits {
            keys: config.store.max_keys,
            bytes: config.store.max_bytes.bytes(),
        };
        let functions = Arc::new(PostgresFunctionStore::new(database.clone(), limits));
        let logs: Arc<dyn LogStore> = Arc::new(PostgresLogStore::new(database.clone()));
        let logs = match wrap_logs {
            Some(wrap) => wrap(logs, JobStore::new(database.clone())),
            None => logs,
        };
        let ports = Ports {
            catalogue: Arc::new(PostgresCatalogue::new(database.clone())),
            archives: Arc::new(archives.clone()),
            engine: engine(config, manager_port, spawner).await?,
            functions: Arc::clone(&functions) as Arc<_>,
            logs,
        };
        Ok(Self {
            database,
            archives,
            functions,
            ports,
            token,
        })
    }
}

/// Connects, patiently: Postgres may be starting, too.
async fn connect(config: &Config) -> Result<Database, BootstrapError> {
    let section = &config.database;
    let database = Database::new(&DatabaseConfig {
        pool_size: section.pool_size,
        wait: section.wait,
        connect: section.connect,
        statement: section.statement,
        ..DatabaseConfig::new(section.url.clone())
    })?;
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

async fn engine(
    config: &Config,
    manager_port: u16,
    spawner: Spawner,
) -> Result<Arc<dyn Engine>, BootstrapError> {
    let runners = &config.runners;
    let host = config.server.manager_host.clone().map_or_else(host_name, Ok)?;
    let manager = ManagerAddress {
        host,
        port: manager_port,
    };
    match runners.engine {
        EngineKind::Process => {
            let programs = NodePrograms::discover(&runners.node_programs).await?;
            let engine = ProcessEngine::new(
                ProcessEngineConfig {
                    manager,
                    data: config.server.data.clone(),
                    programs,
                    memory: None,
                },
                spawner,
            )?;
            Ok(Arc::new(engine))
        }
        EngineKind::Docker => {
            let engine = DockerEngine::connect(DockerEngineConfig {
                host: runners.docker_host.clone(),
                instance: config.server.name.clone(),
                manager,
                network: runners.network.clone(),
                images: runners.images.clone(),
                pull: runners.pull,
                allowed: runners.allowed.clone(),
                memory: runners.memory.bytes(),
                max_memory: runners.max_memory.map(ByteSize::bytes),
                milli_cpus: runners.milli_cpus,
                max_milli_cpus: runners.max_milli_cpus,
                pids: runners.pids,
                tmp: runners.tmp.bytes(),
            })
            .await?;
            let missing = engine.missing_images().await?;
            if !missing.is_empty() {
                let advice = if runners.pull {
                    "they are pulled when they are needed"
                } else {
                    "`cargo xtask images` builds them"
                };
                tracing::warn!(
                    images = missing.join(", "),
                    "runner images are not on this Docker host; {advice}"
                );
            }
            Ok(Arc::new(engine))
        }
    }
}

/// The name of this machine, by which a container's neighbours on a Docker network reach it.
fn host_name() -> io::Result<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() {
        Err(io::Error::other(
            "this machine has no host name; set MANAGER_HOST",
        ))
    } else {
        Ok(name)
    }
}

fn tree_settings(config: &Config) -> TreeSettings {
    TreeSettings {
        runner_load_time: config.archives.publish_timeout,
        drain_time: config.server.shutdown_deadline,
        ..TreeSettings::default()
    }
}

fn publisher_config(config: &Config, gateway: SocketAddr) -> PublisherConfig {
    // What the answer's URLs show: an address that every interface listens on is no address to call.
    let shown = if gateway.ip().is_unspecified() {
        SocketAddr::from(([127, 0, 0, 1], gateway.port()))
    } else {
        gateway
    };
    PublisherConfig {
        archive: ArchiveLimits {
            packed_bytes: config.archives.max_packed.bytes(),
            unpacked_bytes: config.archives.max_unpacked.bytes(),
            entries: config.archives.max_entries,
            ..ArchiveLimits::default()
        },
        prepare: config.archives.publish_timeout,
        gateway_url: format!("http://{shown}"),
        ..PublisherConfig::default()
    }
}

fn gateway_config(config: &Config) -> GatewayConfig {
    let section = &config.gateway;
    let defaults = GatewayConfig::default();
    GatewayConfig {
        workers: NonZeroUsize::new(section.workers).unwrap_or(defaults.workers),
        max_connections: section.max_connections,
        max_in_flight: section.max_in_flight,
        max_header_bytes: usize::try_from(section.max_header.bytes()).unwrap_or(usize::MAX),
        max_header_count: section.max_header_count,
        max_body_bytes: section.max_body.bytes(),
        head_timeout: section.head_timeout,
        body_timeout: section.body_timeout,
        write_timeout: section.write_timeout,
        keep_alive: section.keep_alive,
        shutdown_timeout: config.server.shutdown_deadline,
        trusted_proxies: section.trusted_proxies.clone(),
        expose_errors: section.expose_errors,
        ..defaults
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
