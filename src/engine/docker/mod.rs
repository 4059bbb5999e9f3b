//! Runners as Docker containers.

mod config;
mod container;
mod daemon;
mod error;
mod images;
mod live;
mod network;
mod passthrough;
mod runtime;
mod survey;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::container::AttachContainerResults;
use bollard::models::NetworkConnectRequest;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, StartContainerOptions,
};
use jobber_actors::domain::RunnerId;
use jobber_actors::ports::{Engine, EngineError, EngineEvent, RunnerSpec};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::container::APP_DIRECTORY;
use self::daemon::Daemon;
use self::images::Images;
use self::live::{LiveContainer, LiveContainers};
use super::outbox::Outbox;
use super::start_line::start_line;

pub use config::{DockerArgumentKind, DockerEngineConfig};
pub use network::{ensure_bridge, remove_bridge};
pub use survey::{Survey, survey};

/// How long one request to the daemon may take. Longer than any grace given to a runner.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Most seconds that a runner is given to end by itself, so that the request for it does not time out.
const MAX_GRACE: Duration = Duration::from_secs(90);

/// The engine whose runners are containers.
#[derive(Debug)]
pub struct DockerEngine {
    daemon: Arc<Daemon>,
    images: Images,
    _watching: DropGuard,
}

impl DockerEngine {
    /// Connects to the daemon, asks for its version and its runtimes and begins to watch it.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] when it does not answer, [`EngineError::RuntimeMissing`] when it has no runtime of the
    /// name that is configured.
    pub async fn connect(config: DockerEngineConfig) -> Result<Self, EngineError> {
        let docker = connect(&config.host)?;
        let version = docker.version().await.map_err(|error| {
            EngineError::Unreachable(format!(
                "{error} (DOCKER_HOST is {}; does the Docker daemon run?)",
                config.host
            ))
        })?;
        tracing::info!(
            version = version.version.as_deref().unwrap_or("unknown"),
            api = version.api_version.as_deref().unwrap_or("unknown"),
            "connected to Docker"
        );
        if let Some(runtime) = &config.runtime {
            runtime::require(&docker, runtime).await?;
        }
        let images = Images::new(config.pull);
        let daemon = Arc::new(Daemon {
            docker,
            config,
            outbox: Arc::new(Outbox::new()),
            live: LiveContainers::default(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
        });
        let stop = CancellationToken::new();
        daemon.begin(watch::watch(daemon.clone(), stop.clone()));
        Ok(Self {
            daemon,
            images,
            _watching: stop.drop_guard(),
        })
    }

    /// Names the configured images that are not on this Docker host, so that an operator hears of it at the start and
    /// not from the first caller.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] when the daemon does not answer.
    pub async fn missing_images(&self) -> Result<Vec<String>, EngineError> {
        let mut missing = Vec::new();
        for image in self.daemon.config.images.values() {
            if !self.images.is_present(&self.daemon.docker, image).await? {
                missing.push(image.clone());
            }
        }
        Ok(missing)
    }

    async fn launch(&self, spec: &RunnerSpec, live: &LiveContainer) -> Result<(), EngineError> {
        let docker = &self.daemon.docker;
        let name = self.daemon.container_name(spec.runner);
        self.create(&name, spec).await?;
        for network in container::further_networks(&self.daemon.config, spec) {
            let request = NetworkConnectRequest {
                container: name.clone(),
                ..NetworkConnectRequest::default()
            };
            docker
                .connect_network(network, request)
                .await
                .map_err(|error| error::start(&format!("joining the network {network}"), &error))?;
        }
        let mut attached = self.attach(&name).await?;
        docker
            .start_container(&name, None::<StartContainerOptions>)
            .await
            .map_err(|error| error::start("starting the container", &error))?;
        let line = start_line(&self.daemon.config.manager, &spec.token, APP_DIRECTORY);
        let written = async {
            attached.input.write_all(&line).await?;
            attached.input.shutdown().await
        };
        written
            .await
            .map_err(|error| EngineError::Start(format!("the runner took no start line: {error}")))?;
        self.daemon.read_output(spec.runner, live, attached);
        Ok(())
    }

    async fn create(&self, name: &str, spec: &RunnerSpec) -> Result<(), EngineError> {
        let docker = &self.daemon.docker;
        let image = container::image(&self.daemon.config, spec)?;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let create = || {
            let body = container::create_body(&self.daemon.config, spec, image);
            docker.create_container(Some(options.clone()), body)
        };
        let created = match create().await {
            // Asking only when it is missing saves every other start a request.
            Err(error) if error::is_missing_image(&error) => {
                self.images
                    .provide(docker, &spec.runtime.to_string(), image)
                    .await?;
                create().await
            }
            result => result,
        };
        let created = created.map_err(|error| error::start("creating the container", &error))?;
        for warning in created.warnings {
            tracing::debug!(runner = %spec.runner, warning, "Docker warns");
        }
        Ok(())
    }

    /// Attached before the start, so that nothing it says is missed.
    async fn attach(&self, name: &str) -> Result<AttachContainerResults, EngineError> {
        let options = AttachContainerOptionsBuilder::new()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        self.daemon
            .docker
            .attach_container(name, Some(options))
            .await
            .map_err(|error| error::start("attaching to the container", &error))
    }
}

fn connect(host: &str) -> Result<Docker, EngineError> {
    let docker = Docker::connect_with_host(host)
        .map_err(|error| EngineError::Unreachable(format!("{error} (DOCKER_HOST is {host})")))?;
    Ok(docker.with_timeout(REQUEST_TIMEOUT))
}

#[async_trait]
impl Engine for DockerEngine {
    fn kind(&self) -> &'static str {
        "docker"
    }

    async fn check(&self) -> Result<(), EngineError> {
        let pong = self.daemon.docker.ping().await;
        pong.map(drop).map_err(|error| error::unreachable(&error))
    }

    async fn start(&self, spec: RunnerSpec) -> Result<(), EngineError> {
        let (live, starting) = Starting::announce(&self.daemon, spec.runner);
        self.launch(&spec, &live).await?;
        starting.succeeded();
        Ok(())
    }

    async fn stop(&self, runner: RunnerId, grace: Duration) -> Result<(), EngineError> {
        let live = self.daemon.live.get(runner);
        self.daemon.end(runner, grace.min(MAX_GRACE)).await?;
        self.daemon.finish(runner, None).await?;
        match live {
            // Someone else may have been quicker to tell its end; it is over once that is done.
            Some(live) => live.over.cancelled().await,
            None => self.daemon.remove(runner).await?,
        }
        Ok(())
    }

    async fn reap(&self, keep: &[RunnerId]) -> Result<usize, EngineError> {
        let mut reaped = 0;
        for (runner, _) in self.daemon.containers().await? {
            if keep.contains(&runner) || self.daemon.live.is_starting(runner) {
                continue;
            }
            self.daemon.remove(runner).await?;
            self.daemon.finish(runner, None).await?;
            reaped += 1;
        }
        Ok(reaped)
    }

    fn events(&self) -> Option<mpsc::Receiver<EngineEvent>> {
        self.daemon.outbox.take_receiver()
    }
}

/// A start under way. Dropped before it succeeded (an error, or a caller that gave up) it has its container removed.
struct Starting<'a> {
    daemon: &'a Arc<Daemon>,
    runner: RunnerId,
    succeeded: bool,
}

impl<'a> Starting<'a> {
    fn announce(daemon: &'a Arc<Daemon>, runner: RunnerId) -> (LiveContainer, Self) {
        (
            daemon.live.announce(runner),
            Self {
                daemon,
                runner,
                succeeded: false,
            },
        )
    }

    fn succeeded(mut self) {
        self.succeeded = true;
        self.daemon.live.started(self.runner);
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if self.succeeded {
            return;
        }
        let (daemon, runner) = (self.daemon.clone(), self.runner);
        if let Some(live) = daemon.live.take(runner) {
            live.over.cancel();
        }
        self.daemon.begin(async move {
            if let Err(error) = daemon.remove(runner).await {
                tracing::warn!(%runner, %error, "a container that did not start stays behind; the reaper will try again");
            }
        });
    }
}
