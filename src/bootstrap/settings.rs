//! From the configuration to what each part wants to know.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use jobber_actors::log_sink::LogRate;
use jobber_actors::manifest::ByteSize;
use jobber_actors::sink::RingLimits;
use jobber_actors::tree::{MqttSettings, TreeSettings};

use crate::api::AdminConfig;
use crate::archive::{ArchiveLimits, DiskArchiveStore};
use crate::backup::BackupParts;
use crate::callbacks::Manners;
use crate::calls::CallConfig;
use crate::child::Spawner;
use crate::config::{Config, EngineKind};
use crate::gateway::GatewayConfig;
use crate::publish::{DockerGrants, PublisherConfig};
use crate::sealing::KeySource;
use crate::store::{CallLimits, Database, DatabaseConfig, FunctionStoreLimits, QueueLimits};

pub(super) fn tree(config: &Config) -> TreeSettings {
    TreeSettings {
        runner_load_time: config.archives.publish_timeout,
        drain_time: config.server.shutdown_deadline,
        log_rate: LogRate {
            bytes_per_second: config.logs.runner_rate.bytes(),
            burst_bytes: config.logs.runner_burst.bytes(),
        },
        records: config.ledger.enabled.then(|| {
            let total_bytes = memory(config.ledger.max_waiting);
            RingLimits {
                total_bytes,
                // So that one job's flood does not push out the records of the others.
                job_bytes: total_bytes / 2,
            }
        }),
        mqtt: MqttSettings {
            unacked_messages: config.mqtt.max_unacked,
            unacked_bytes: memory(config.mqtt.max_unacked_bytes),
            max_packet_bytes: memory(config.mqtt.max_message),
        },
        max_result_bytes: memory(config.calls.max_result),
        ..TreeSettings::default()
    }
}

/// A size that has to fit into this machine's memory.
fn memory(size: ByteSize) -> usize {
    usize::try_from(size.bytes()).unwrap_or(usize::MAX)
}

pub(super) fn publisher(config: &Config, gateway: SocketAddr) -> PublisherConfig {
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
        docker: match config.runners.engine {
            EngineKind::Docker => DockerGrants::Kinds(config.runners.allowed.clone()),
            EngineKind::Process => DockerGrants::NoContainers,
        },
        ..PublisherConfig::default()
    }
}

pub(super) fn gateway(config: &Config) -> GatewayConfig {
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

pub(crate) fn database(config: &Config) -> DatabaseConfig {
    let section = &config.database;
    DatabaseConfig {
        pool_size: section.pool_size,
        wait: section.wait,
        connect: section.connect,
        statement: section.statement,
        ..DatabaseConfig::new(section.url.clone())
    }
}

pub(super) fn backups(
    config: &Config,
    database: &Database,
    archives: &DiskArchiveStore,
    spawner: &Spawner,
) -> BackupParts {
    let (section, data) = (&config.backups, &config.server.data);
    BackupParts {
        database: database.clone(),
        url: config.database.url.clone(),
        archives: archives.clone(),
        data: data.clone(),
        folder: section.folder.clone().unwrap_or_else(|| data.join("backups")),
        keep: section.keep,
        passphrase: section.passphrase.clone(),
        spawner: spawner.clone(),
    }
}

/// Where the keys of jobs' variables come from.
pub(crate) fn key_source(config: &Config) -> KeySource {
    match &config.access.master_key {
        Some(keys) => KeySource::Given(keys.clone()),
        None => KeySource::File(config.server.data.join("master-key")),
    }
}

pub(super) fn function_store(config: &Config) -> FunctionStoreLimits {
    FunctionStoreLimits {
        keys: config.store.max_keys,
        bytes: config.store.max_bytes.bytes(),
    }
}

pub(super) fn queue(config: &Config) -> QueueLimits {
    QueueLimits {
        rows: config.queue.max_rows,
        bytes: config.queue.max_bytes.bytes(),
    }
}

pub(super) fn call_limits(config: &Config) -> CallLimits {
    CallLimits {
        queue: queue(config),
        waiting: config.calls.max_waiting,
        key_lifetime: config.calls.key_lifetime,
        retention: config.calls.retention,
    }
}

pub(super) fn calls(config: &Config) -> CallConfig {
    CallConfig {
        max_body: config.calls.max_body.bytes(),
        max_wait: config.calls.max_wait,
        max_waiters: config.calls.max_waiters,
        expose_errors: config.gateway.expose_errors,
    }
}

pub(super) fn callbacks(config: &Config) -> Manners {
    Manners {
        attempts: config.calls.callback_attempts,
        timeout: config.calls.callback_timeout,
    }
}

pub(super) fn admin(config: &Config, gateway: SocketAddr) -> AdminConfig {
    AdminConfig {
        gateway_url: config.gateway.public_url.clone(),
        gateway_port: gateway.port(),
        queue: queue(config),
        trusted_proxies: config.access.trusted_proxies.clone(),
        cors_origins: config.access.cors_origins.clone(),
        ..AdminConfig::default()
    }
}
