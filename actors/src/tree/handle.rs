//! What everything outside of the tree holds of it.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jobber_kernel::{ChildSpec, Intensity, Tree, tell};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use super::root::{Root, RootParts};
use super::settings::TreeSettings;
use super::surroundings::Surroundings;
use crate::action::{ActionHandle, StopRunner};
use crate::changes::Changes;
use crate::domain::{InvocationId, JobId, RunnerId, ServerId, VersionId};
use crate::gateway::RouteTarget;
use crate::job::PrepareError;
use crate::jobs::{AbandonVersion, Prepare, Refresh, RefreshJob, StopOneRunner};
use crate::log_sink::LogRing;
use crate::mqtt::SharedLentBroker;
use crate::ports::{
    ArchiveStore, Catalogue, DurableQueue, Engine, EngineError, FunctionStore, HttpServer, InvocationStore,
    LogStore, MqttClients, ScheduleStore, SessionLeases,
};
use crate::routing::RouteTable;
use crate::trace::SharedRecorder;

/// What the tree needs from the outside world.
#[derive(Clone)]
pub struct Ports {
    /// What should exist.
    pub catalogue: Arc<dyn Catalogue>,
    /// The packages' files.
    pub archives: Arc<dyn ArchiveStore>,
    /// What starts runners.
    pub engine: Arc<dyn Engine>,
    /// The functions' key/value store.
    pub functions: Arc<dyn FunctionStore>,
    /// Where log lines are kept.
    pub logs: Arc<dyn LogStore>,
    /// Where the records of invocations are kept.
    pub invocations: Arc<dyn InvocationStore>,
    /// Invocations that survive the server.
    pub queue: Arc<dyn DurableQueue>,
    /// The record of the schedules' instants.
    pub schedules: Arc<dyn ScheduleStore>,
    /// What makes clients of MQTT brokers.
    pub mqtt: Arc<dyn MqttClients>,
    /// Which sessions with brokers this server may have.
    pub session_leases: Arc<dyn SessionLeases>,
    /// The broker for packages that name none, if one is lent.
    pub lent_broker: SharedLentBroker,
    /// Who records the spans of invocations, if anybody does.
    pub recorder: SharedRecorder,
}

/// The HTTP servers that the tree owns.
#[derive(Clone)]
pub struct Servers {
    /// Functions answer here.
    pub gateway: Arc<dyn HttpServer>,
    /// The panel and the API.
    pub admin: Arc<dyn HttpServer>,
}

/// Why the tree did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// It did not happen in time; it may still.
    #[error("it is not done yet after {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The reconciler is being restarted, or the server shuts down.
    #[error("the supervision tree is not available")]
    Unavailable,
    /// There is no such runner.
    #[error("there is no runner {0}")]
    NoRunner(RunnerId),
}

/// The tree, seen from outside. Cheap to clone, usable on any thread.
#[derive(Clone)]
pub struct TreeHandle {
    pub(super) around: Arc<Surroundings>,
    pub(super) tree: Tree,
}

/// Starts the tree on the calling arbiter. `listeners` are where runners dial in; `servers` makes the HTTP servers, which
/// need the handle.
///
/// # Errors
/// When the system gives no threads for the arbiters.
///
/// # Panics
/// If the caller does not run on an arbiter.
pub fn start(
    settings: TreeSettings,
    ports: Ports,
    listeners: Vec<TcpListener>,
    io: Handle,
    servers: impl FnOnce(&TreeHandle) -> Servers,
) -> io::Result<TreeHandle> {
    let events = ports.engine.events().map(|events| Arc::new(Mutex::new(events)));
    let around = Arc::new(Surroundings::new(settings, ports, io)?);
    let handle = TreeHandle {
        around: Arc::clone(&around),
        tree: Tree::with_seed(settings.seed),
    };
    let parts = RootParts {
        around,
        servers: servers(&handle),
        listeners: Arc::new(listeners),
        events,
    };
    let spec = ChildSpec::permanent("root")
        .intensity(Intensity::UNLIMITED)
        .stop_grace(settings.drain_time);
    handle.tree.spawn(spec, move || Root::new(parts.clone()));
    Ok(handle)
}

impl TreeHandle {
    pub(super) fn around(&self) -> &Surroundings {
        &self.around
    }

    /// What the fakes of a test connect to.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn surroundings(&self) -> &Arc<Surroundings> {
        &self.around
    }

    /// Makes a version ready without letting it serve: one runner has imported it.
    ///
    /// # Errors
    /// [`PrepareError`]; the version does not stay then.
    pub async fn prepare(
        &self,
        job: JobId,
        version: VersionId,
        deadline: Duration,
    ) -> Result<(), PrepareError> {
        let result = self.make_ready(job, version, deadline).await;
        if result.is_err() {
            self.abandon(job, version);
        }
        result.map(drop)
    }

    /// Makes a version ready, and gives what takes its invocations. It stays for a while, and as long as it has some.
    pub(super) async fn make_ready(
        &self,
        job: JobId,
        version: VersionId,
        deadline: Duration,
    ) -> Result<ActionHandle, PrepareError> {
        let (ready, prepared) = oneshot::channel();
        let jobs = self.around.jobs().ok_or_else(unavailable)?;
        tell(&jobs, Prepare { job, version, ready });
        match timeout(deadline, prepared).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(unavailable()),
            Err(_) => Err(PrepareError::TimedOut),
        }
    }

    /// A version that was made ready will not serve after all.
    pub fn abandon(&self, job: JobId, version: VersionId) {
        if let Some(jobs) = self.around.jobs() {
            tell(&jobs, AbandonVersion { job, version });
        }
    }

    /// Reads a job from the catalogue again, and resolves once what it says serves.
    ///
    /// # Errors
    /// [`TreeError::TimedOut`] when it does not serve by then; it is still being worked on.
    pub async fn reconcile(&self, job: JobId, deadline: Duration) -> Result<(), TreeError> {
        let (served, serves) = oneshot::channel();
        let jobs = self.around.jobs().ok_or(TreeError::Unavailable)?;
        tell(
            &jobs,
            RefreshJob {
                job,
                served: Some(served),
            },
        );
        match timeout(deadline, serves).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(TreeError::Unavailable),
            Err(_) => Err(TreeError::TimedOut(deadline)),
        }
    }

    /// Something may have changed: this job, or with `None` anything. Only a hint; it may be given too often or get lost.
    pub fn hint(&self, job: Option<JobId>) {
        let Some(jobs) = self.around.jobs() else { return };
        match job {
            Some(job) => tell(&jobs, RefreshJob { job, served: None }),
            None => tell(&jobs, Refresh),
        }
    }

    /// Something may be due in the durable queue. Only a hint; it may be given too often or get lost.
    pub fn hint_deliveries(&self) {
        self.around.desk.look();
    }

    /// Nobody wants this delivery to be made any more: if this server works on it, the handler is told.
    pub fn cancel_delivery(&self, id: InvocationId) {
        self.around.desk.cancel(id);
    }

    /// This life of the server.
    #[must_use]
    pub fn server(&self) -> ServerId {
        self.around.desk.server
    }

    /// The routes that serve now.
    #[must_use]
    pub fn routes(&self) -> Arc<ArcSwap<RouteTable<RouteTarget>>> {
        self.around.routes.table()
    }

    /// Whether the jobs of the catalogue are known.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.around.is_ready()
    }

    /// Where the tree's own words about jobs go.
    #[must_use]
    pub fn logs(&self) -> Arc<LogRing> {
        Arc::clone(&self.around.logs)
    }

    /// The runtime for everything that waits for something outside.
    #[must_use]
    pub fn io(&self) -> &Handle {
        &self.around.io
    }

    /// The news of what changes in this server, to listen to and to add to.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.around.changes
    }

    /// Whether runners can be started, as far as the engine can tell. Takes as long as the engine does.
    ///
    /// # Errors
    /// What the engine says is amiss.
    pub async fn check_engine(&self) -> Result<(), EngineError> {
        self.around.engine.check().await
    }

    /// Ends a runner: gently, so that it finishes what it has, or forcefully. Another one replaces it if need be.
    ///
    /// # Errors
    /// [`TreeError`] when there is no such runner or nobody to ask.
    pub fn stop_runner(&self, runner: RunnerId, forceful: bool) -> Result<(), TreeError> {
        let status = self
            .around
            .registry
            .status(runner)
            .ok_or(TreeError::NoRunner(runner))?;
        let jobs = self.around.jobs().ok_or(TreeError::Unavailable)?;
        let stop = StopRunner { runner, forceful };
        tell(
            &jobs,
            StopOneRunner {
                job: status.job_id,
                version: status.version_id,
                stop,
            },
        );
        Ok(())
    }

    /// Runs this beside the tree, until it is done or the tree is shut down.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let sessions = &self.around.sessions;
        sessions.tasks.spawn_on(&sessions.io, name, future);
    }

    /// Stops everything: nothing new comes in, what runs finishes, logs are kept, runners end. What is not done by the
    /// deadline is killed.
    ///
    /// # Errors
    /// When the engine could not be asked to remove the last runners; the next start removes them.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), EngineError> {
        if timeout(deadline, self.tree.shutdown("shutdown")).await.is_err() {
            tracing::warn!("the supervision tree did not stop in time; what is left of it is killed");
            self.tree.kill();
        }
        self.around.sessions.tasks.abort();
        match timeout(REAP_TIME, self.around.engine.reap(&[])).await {
            Ok(reaped) => reaped.map(drop),
            Err(_) => Err(EngineError::Unreachable("it did not answer in time".into())),
        }
    }
}

/// The engine has this long to remove what a shutdown left.
const REAP_TIME: Duration = Duration::from_secs(10);

fn unavailable() -> PrepareError {
    PrepareError::Unavailable(TreeError::Unavailable.to_string())
}
