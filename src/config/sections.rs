//! The options, grouped by what they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jobber_actors::manifest::{ByteSize, Runtime};
use secrecy::SecretString;

use super::parse::{
    LogFormat, bytes, choice, duration, flag, instance_name, list, milli_cpus, network, non_empty, number,
    positive, web_address,
};
use super::reader::Reader;
use crate::engine::docker::DockerArgumentKind;

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The interface's address.
    pub bind: IpAddr,
    /// The port; 0 is any that is free.
    pub port: u16,
}

impl Listen {
    fn read(reader: &mut Reader, bind: &'static str, port: &'static str) -> Option<Self> {
        let bind = reader.take(bind, |text| {
            text.parse().map_err(|_| "is no IP address".to_owned())
        });
        let port = reader.take(port, |text| {
            text.parse().map_err(|_| "is no port (0 to 65535)".to_owned())
        });
        Some(Self {
            bind: bind?,
            port: port?,
        })
    }

    /// As a socket's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (self.bind, self.port).into()
    }
}

/// What this server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSection {
    /// Its name.
    pub name: String,
    /// Its data directory.
    pub data: PathBuf,
    /// How long work under way may take to finish when it stops.
    pub shutdown_deadline: Duration,
    /// The API.
    pub admin: Listen,
    /// The triggers.
    pub gateway: Listen,
    /// Where it listens for runners.
    pub manager: Listen,
    /// Where runners reach it; `None` is this machine's host name.
    pub manager_host: Option<String>,
}

impl ServerSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let name = reader.take("JOBBER_NAME", instance_name);
        let data = reader.take("JOBBER_DATA", non_empty);
        let shutdown_deadline = reader.take("SHUTDOWN_DEADLINE", duration);
        let admin = Listen::read(reader, "ADMIN_BIND", "ADMIN_PORT");
        let gateway = Listen::read(reader, "GATEWAY_BIND", "GATEWAY_PORT");
        let manager = Listen::read(reader, "MANAGER_BIND", "MANAGER_PORT");
        let manager_host = reader.take_optional("MANAGER_HOST", non_empty);
        Some(Self {
            name: name?,
            data: data?.into(),
            shutdown_deadline: shutdown_deadline?,
            admin: admin?,
            gateway: gateway?,
            manager: manager?,
            manager_host: manager_host?,
        })
    }
}

/// What the server logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingSection {
    /// Directives of `tracing-subscriber`'s filter.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

impl LoggingSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let filter = reader.take("JOBBER_LOG", |text| {
            let checked = tracing_subscriber::EnvFilter::builder().parse(text);
            checked
                .map(|_| text.to_owned())
                .map_err(|error| format!("is no filter for logs: {error}"))
        });
        let format = reader.take(
            "JOBBER_LOG_FORMAT",
            choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        );
        Some(Self {
            filter: filter?,
            format: format?,
        })
    }
}

/// The server's Postgres.
#[derive(Clone, Debug)]
pub struct DatabaseSection {
    /// How to connect.
    pub url: SecretString,
    /// Most connections.
    pub pool_size: usize,
    /// Longest wait for a free connection.
    pub wait: Duration,
    /// Longest wait for a new connection.
    pub connect: Duration,
    /// Longest time of one statement.
    pub statement: Duration,
}

impl DatabaseSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let url = reader.take_secret_url("DATABASE_URL");
        let url = match url {
            Some(url) if url.is_empty() => {
                reader.problem(
                    "DATABASE_URL",
                    "must be set, such as postgresql://user:password@host/database",
                );
                None
            }
            // The text has a password in it: it must not be part of the message.
            Some(url) if url.parse::<tokio_postgres::Config>().is_err() => {
                reader.problem(
                    "DATABASE_URL",
                    "is no URL of a Postgres, such as postgresql://user:password@host/database",
                );
                None
            }
            url => url,
        };
        let pool_size = reader.take("DATABASE_POOL_SIZE", positive);
        let wait = reader.take("DATABASE_WAIT", duration);
        let connect = reader.take("DATABASE_CONNECT", duration);
        let statement = reader.take("DATABASE_STATEMENT", duration);
        Some(Self {
            url: url?.into(),
            pool_size: pool_size?,
            wait: wait?,
            connect: connect?,
            statement: statement?,
        })
    }
}

/// What runs the runners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Containers.
    Docker,
    /// Child processes.
    Process,
}

/// The runners.
#[derive(Clone, Debug)]
pub struct RunnerSection {
    /// What runs them.
    pub engine: EngineKind,
    /// The Docker daemon.
    pub docker_host: String,
    /// Each runtime's image.
    pub images: BTreeMap<u32, String>,
    /// Whether images are pulled.
    pub pull: bool,
    /// Their network; `None` is Docker's default bridge.
    pub network: Option<String>,
    /// What packages may ask of Docker.
    pub allowed: BTreeSet<DockerArgumentKind>,
    /// Memory, unless the package says otherwise.
    pub memory: ByteSize,
    /// The most memory that a package may ask for.
    pub max_memory: Option<ByteSize>,
    /// Thousandths of a processor, unless the package says otherwise; `None` is all.
    pub milli_cpus: Option<u32>,
    /// The most thousandths of a processor that a package may ask for.
    pub max_milli_cpus: Option<u32>,
    /// Most processes and threads.
    pub pids: u32,
    /// Size of `/tmp`.
    pub tmp: ByteSize,
    /// The runtime of their containers; `None` is the Docker daemon's default.
    pub runtime: Option<String>,
    /// Node programs for the process engine.
    pub node_programs: BTreeMap<u32, PathBuf>,
}

impl RunnerSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let engine = reader.take(
            "RUNNER_ENGINE",
            choice(&[("docker", EngineKind::Docker), ("process", EngineKind::Process)]),
        );
        let docker_host = reader.take("DOCKER_HOST", docker_host);
        let images = per_runtime(reader, image_option, |reader, name| {
            reader.take(name, non_empty).map(Some)
        });
        let pull = reader.take("RUNNER_IMAGE_PULL", flag);
        let network = reader.take_optional("RUNNER_CONTAINER_DOCKER_NETWORK", non_empty);
        let allowed = reader.take("RUNNER_ALLOW_DOCKER_ARGUMENT_TYPES", |text| {
            list(text, str::parse)
        });
        let memory = reader.take("RUNNER_MEMORY", |text| {
            let least = ByteSize::from_mebibytes(6);
            bytes(text).and_then(|size| {
                if size < least {
                    Err("is less than 6m".to_owned())
                } else {
                    Ok(size)
                }
            })
        });
        let max_memory = reader.take_optional("RUNNER_MAX_MEMORY", bytes);
        let cpus = reader.take_optional("RUNNER_CPUS", milli_cpus);
        let max_cpus = reader.take_optional("RUNNER_MAX_CPUS", milli_cpus);
        let pids = reader.take("RUNNER_PIDS", positive);
        let tmp = reader.take("RUNNER_TMP", bytes);
        let runtime = reader.take_optional("RUNNER_CONTAINER_RUNTIME", non_empty);
        let node_programs = per_runtime(reader, program_option, |reader, name| {
            reader.take_optional(name, non_empty)
        });
        Some(Self {
            engine: engine?,
            docker_host: docker_host?,
            images: images?,
            pull: pull?,
            network: network?,
            allowed: allowed?,
            memory: memory?,
            max_memory: max_memory?,
            milli_cpus: cpus?,
            max_milli_cpus: max_cpus?,
            pids: pids?,
            tmp: tmp?,
            runtime: runtime?,
            node_programs: node_programs?
                .into_iter()
                .map(|(major, path)| (major, path.into()))
                .collect(),
        })
    }
}

const fn image_option(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Node24 => "RUNNER_IMAGE_NODE24_URL",
        Runtime::Node22 => "RUNNER_IMAGE_NODE22_URL",
        Runtime::Node20 => "RUNNER_IMAGE_NODE20_URL",
    }
}

const fn program_option(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Node24 => "RUNNER_NODE24_PATH",
        Runtime::Node22 => "RUNNER_NODE22_PATH",
        Runtime::Node20 => "RUNNER_NODE20_PATH",
    }
}

/// One option for each runtime, by the runtime's major version; those without a value are left out.
fn per_runtime(
    reader: &mut Reader,
    option: impl Fn(Runtime) -> &'static str,
    take: impl Fn(&mut Reader, &'static str) -> Option<Option<String>>,
) -> Option<BTreeMap<u32, String>> {
    let values: Vec<_> = Runtime::ALL
        .into_iter()
        .map(|runtime| (runtime.major(), take(reader, option(runtime))))
        .collect();
    let mut by_major = BTreeMap::new();
    for (major, value) in values {
        if let Some(value) = value? {
            by_major.insert(major, value);
        }
    }
    Some(by_major)
}

fn docker_host(text: &str) -> Result<String, String> {
    if ["unix://", "tcp://", "http://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
    {
        Ok(text.to_owned())
    } else {
        Err("is no address of a Docker daemon; it begins with `unix://`, `tcp://` or `http://`".to_owned())
    }
}

/// The gateway's limits; its own configuration explains them.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "each field is the option of its name, explained in default.toml"
)]
pub struct GatewaySection {
    pub workers: usize,
    pub max_connections: usize,
    pub max_in_flight: usize,
    pub max_header: ByteSize,
    pub max_header_count: usize,
    pub max_body: ByteSize,
    pub head_timeout: Duration,
    pub body_timeout: Duration,
    pub write_timeout: Duration,
    pub keep_alive: Duration,
    pub trusted_proxies: Vec<IpNet>,
    pub expose_errors: bool,
    pub public_url: Option<String>,
}

impl GatewaySection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let workers = reader.take("GATEWAY_WORKERS", number);
        let max_connections = reader.take("GATEWAY_MAX_CONNECTIONS", positive);
        let max_in_flight = reader.take("GATEWAY_MAX_IN_FLIGHT", positive);
        let max_header = reader.take("GATEWAY_MAX_HEADER", bytes);
        let max_header_count = reader.take("GATEWAY_MAX_HEADER_COUNT", positive);
        let max_body = reader.take("GATEWAY_MAX_BODY", bytes);
        let head_timeout = reader.take("GATEWAY_HEAD_TIMEOUT", duration);
        let body_timeout = reader.take("GATEWAY_BODY_TIMEOUT", duration);
        let write_timeout = reader.take("GATEWAY_WRITE_TIMEOUT", duration);
        let keep_alive = reader.take("GATEWAY_KEEP_ALIVE", duration);
        let trusted_proxies = reader.take("GATEWAY_TRUSTED_PROXIES", |text| list(text, network));
        let expose_errors = reader.take("GATEWAY_EXPOSE_ERRORS", flag);
        let public_url = reader.take_optional("GATEWAY_PUBLIC_URL", web_address);
        Some(Self {
            workers: workers?,
            max_connections: max_connections?,
            max_in_flight: max_in_flight?,
            max_header: max_header?,
            max_header_count: max_header_count?,
            max_body: max_body?,
            head_timeout: head_timeout?,
            body_timeout: body_timeout?,
            write_timeout: write_timeout?,
            keep_alive: keep_alive?,
            trusted_proxies: trusted_proxies?,
            expose_errors: expose_errors?,
            public_url: public_url?,
        })
    }
}

/// Limits of published archives.
#[derive(Clone, Debug)]
pub struct ArchiveSection {
    /// Bytes of the zip.
    pub max_packed: ByteSize,
    /// Bytes of all its files.
    pub max_unpacked: ByteSize,
    /// Number of its entries.
    pub max_entries: u32,
    /// How long the first runner of a version may take until it has imported its module.
    pub publish_timeout: Duration,
}

impl ArchiveSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let max_packed = reader.take("ARCHIVE_MAX_PACKED", bytes);
        let max_unpacked = reader.take("ARCHIVE_MAX_UNPACKED", bytes);
        let max_entries = reader.take("ARCHIVE_MAX_ENTRIES", positive);
        let publish_timeout = reader.take("PUBLISH_TIMEOUT", duration);
        Some(Self {
            max_packed: max_packed?,
            max_unpacked: max_unpacked?,
            max_entries: max_entries?,
            publish_timeout: publish_timeout?,
        })
    }
}

/// What the functions keep.
#[derive(Clone, Debug)]
pub struct StoreSection {
    /// Most keys of one job.
    pub max_keys: u64,
    /// Most bytes of one job.
    pub max_bytes: ByteSize,
}

impl StoreSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let max_keys = reader.take("STORE_MAX_KEYS", positive);
        let max_bytes = reader.take("STORE_MAX_BYTES", bytes);
        Some(Self {
            max_keys: max_keys?,
            max_bytes: max_bytes?,
        })
    }
}
