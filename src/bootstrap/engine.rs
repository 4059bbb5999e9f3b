//! The engine that the configuration asks for.

use std::io;
use std::sync::Arc;

use jobber_actors::manifest::ByteSize;
use jobber_actors::ports::Engine;

use super::BootstrapError;
use crate::child::Spawner;
use crate::config::{Config, EngineKind};
use crate::engine::ManagerAddress;
use crate::engine::docker::{DockerEngine, DockerEngineConfig};
use crate::engine::process::{NodePrograms, ProcessEngine, ProcessEngineConfig};

/// Makes the engine; `manager_port` is the port that was really taken.
pub(super) async fn engine(
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
                    instance: config.server.name.clone(),
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
                runtime: runners.runtime.clone(),
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
