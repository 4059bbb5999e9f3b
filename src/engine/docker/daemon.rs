//! What the engine and its tasks share: the client, and the one place where a container's end is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::models::{ContainerState, ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use futures_util::StreamExt;
use jobber_actors::domain::RunnerId;
use jobber_actors::ports::{EngineError, OutputStream, RunnerExit};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::config::DockerEngineConfig;
use super::container::{self, INSTANCE_LABEL, RUNNER_LABEL};
use super::error::{is_status, unreachable};
use super::live::{LiveContainer, LiveContainers};
use crate::engine::outbox::Outbox;
use crate::engine::output::OutputPump;

/// How long the last lines of a container that is over may take to arrive: Docker ends its stream a moment after the container,
/// and on a busy machine that moment is long. They say whether its heap was exhausted.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Docker learns of a container's end and of the kernel having killed it for its memory by two ways, in either order. So often
/// it is asked, with this pause, after a kill without a reason.
const MEMORY_LOOKS: u32 = 6;
const MEMORY_PAUSE: Duration = Duration::from_millis(50);
const SIGKILL: i32 = 9;
/// A signal's number is added to this in the exit code of a process that it ended.
const SIGNAL_EXIT_BASE: i64 = 128;
/// The largest number of a signal.
const MAX_SIGNAL: i64 = 64;

#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) docker: Docker,
    pub(super) config: DockerEngineConfig,
    pub(super) outbox: Arc<Outbox>,
    pub(super) live: LiveContainers,
    pub(super) tasks: TaskTracker,
    /// Where tasks run, also those that are begun while something is being dropped.
    pub(super) runtime: Handle,
}

impl Daemon {
    pub(super) fn container_name(&self, runner: RunnerId) -> String {
        container::name(&self.config.instance, runner)
    }

    /// Begins a task of the engine's.
    pub(super) fn begin(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// All containers with this instance's label, whoever made them and whatever their state.
    pub(super) async fn containers(&self) -> Result<Vec<(RunnerId, ContainerSummary)>, EngineError> {
        let label = format!("{INSTANCE_LABEL}={}", self.config.instance);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("label", vec![label])]))
            .build();
        let containers = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(|error| unreachable(&error))?;
        let with_runner = |container: ContainerSummary| {
            let runner = container.labels.as_ref()?.get(RUNNER_LABEL)?.parse().ok()?;
            Some((runner, container))
        };
        Ok(containers.into_iter().filter_map(with_runner).collect())
    }

    /// Tells the end of a container and removes it. The first to come here does it, the others find it done.
    pub(super) async fn finish(
        &self,
        runner: RunnerId,
        reported_code: Option<i64>,
    ) -> Result<(), EngineError> {
        let Some(live) = self.live.take(runner) else {
            return Ok(());
        };
        if tokio::time::timeout(LAST_LINES, live.drained.cancelled())
            .await
            .is_err()
        {
            tracing::debug!(%runner, "the last output of a container did not arrive in time");
        }
        // Read after the last line, which may say that the heap was exhausted, and before the removal: it is gone afterwards.
        let exit = self.exit_of(runner, &live, reported_code).await;
        self.outbox.exited(runner, exit).await;
        let removed = self.remove(runner).await;
        live.over.cancel();
        removed
    }

    async fn exit_of(
        &self,
        runner: RunnerId,
        live: &LiveContainer,
        reported_code: Option<i64>,
    ) -> RunnerExit {
        let heap_exhausted = live.heap_exhausted.load(Ordering::Relaxed);
        let mut looks = MEMORY_LOOKS;
        loop {
            let ended = self.ended_state(runner).await;
            let code = ended.as_ref().and_then(|state| state.exit_code).or(reported_code);
            let killed_for_memory = ended.and_then(|state| state.oom_killed).unwrap_or(false);
            let exit = RunnerExit {
                code,
                signal: code.and_then(signal_of),
                out_of_memory: killed_for_memory || heap_exhausted,
            };
            looks -= 1;
            if exit.out_of_memory || exit.signal != Some(SIGKILL) || looks == 0 {
                return exit;
            }
            tokio::time::sleep(MEMORY_PAUSE).await;
        }
    }

    /// How a container ended, if that can be read.
    async fn ended_state(&self, runner: RunnerId) -> Option<ContainerState> {
        let name = self.container_name(runner);
        let found = self
            .docker
            .inspect_container(&name, None::<InspectContainerOptions>)
            .await;
        match found {
            Ok(found) => found
                .state
                .filter(|state| state.status != Some(ContainerStateStatusEnum::RUNNING)),
            Err(error) => {
                tracing::debug!(%runner, %error, "how a container ended could not be read");
                None
            }
        }
    }

    /// Asks a container to end and kills it after the grace. One that is not there, or over, is no error.
    pub(super) async fn end(&self, runner: RunnerId, grace: Duration) -> Result<(), EngineError> {
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options = StopContainerOptionsBuilder::new()
            .t(i32::try_from(seconds).unwrap_or(i32::MAX))
            .build();
        match self
            .docker
            .stop_container(&self.container_name(runner), Some(options))
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if is_status(&error, 304) || is_status(&error, 404) => Ok(()),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Removes a container with its volume, killing it if need be. One that is not there, or going, is no error.
    pub(super) async fn remove(&self, runner: RunnerId) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self
            .docker
            .remove_container(&self.container_name(runner), Some(options))
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if is_status(&error, 404) || is_status(&error, 409) => Ok(()),
            Err(error) => Err(unreachable(&error)),
        }
    }

    /// Turns what the container writes into events, until it is over.
    pub(super) fn read_output(
        &self,
        runner: RunnerId,
        live: &LiveContainer,
        attached: AttachContainerResults,
    ) {
        let pump = |stream| OutputPump::new(self.outbox.clone(), runner, stream, live.heap_exhausted.clone());
        let (mut stdout, mut stderr) = (pump(OutputStream::Stdout), pump(OutputStream::Stderr));
        let drained = live.drained.clone().drop_guard();
        let over = live.over.clone();
        let read = over.run_until_cancelled_owned(async move {
            let AttachContainerResults { mut output, input } = attached;
            // Its half was closed after the start line; what is left of it goes with the connection.
            let _input = input;
            while let Some(part) = output.next().await {
                match part {
                    Ok(LogOutput::StdErr { message }) => stderr.feed(&message),
                    Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                        stdout.feed(&message);
                    }
                    Ok(LogOutput::StdIn { .. }) => {}
                    Err(error) => {
                        tracing::debug!(%runner, %error, "a container's output could not be read");
                        break;
                    }
                }
            }
            stdout.finish();
            stderr.finish();
            drop(drained);
        });
        self.begin(async move {
            // Cut short when the container is over: what it wrote until then has been read, or had its time.
            let _cut_short = read.await.is_none();
        });
    }
}

fn signal_of(code: i64) -> Option<i32> {
    let signal = code - SIGNAL_EXIT_BASE;
    (1..=MAX_SIGNAL)
        .contains(&signal)
        .then(|| i32::try_from(signal).ok())
        .flatten()
}
