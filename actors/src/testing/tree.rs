//! A whole tree, and the test's hands on it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use jobber_kernel::TreeNode;
use jobber_kernel::testing::eventually;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{
    FakeArchives, FakeBroker, FakeCatalogue, FakeDeliveries, FakeEngine, FakeFunctionStore, FakeHttpServer,
    FakeInvocationStore, FakeLeases, FakeLogStore, FakePackage,
};
use crate::action::LaneGauge;
use crate::clock::Clock;
use crate::domain::{InvocationId, JobVersion};
use crate::gateway::RouteTarget;
use crate::invocation::{
    BodyError, HttpInput, Input, InputBody, Invocation, Outcome, OutputBody, PendingReply, Refusal,
    reply_channel,
};
use crate::routing::Lookup;
use crate::trace::TraceContext;
use crate::tree::{Ports, Servers, TreeHandle, TreeSettings, start};

/// Longest wait for what must happen, in the test's own time.
const BOUND: Duration = Duration::from_secs(600);

/// A tree in paused time, with all its ports.
#[derive(Clone)]
pub struct TestTree {
    /// The tree.
    pub handle: TreeHandle,
    /// What should exist.
    pub catalogue: Arc<FakeCatalogue>,
    /// The packages' files.
    pub archives: Arc<FakeArchives>,
    /// What starts runners.
    pub engine: Arc<FakeEngine>,
    /// Where log lines end.
    pub logs: Arc<FakeLogStore>,
    /// The record of invocations.
    pub invocations: Arc<FakeInvocationStore>,
    /// The durable queue, and the record of schedules.
    pub deliveries: Arc<FakeDeliveries>,
    /// The broker that all packages have.
    pub broker: Arc<FakeBroker>,
    /// Which sessions with it this server may have.
    pub leases: Arc<FakeLeases>,
    /// The server on which functions would answer.
    pub gateway: Arc<FakeHttpServer>,
}

/// Why a call did not even become an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No route leads there: 404.
    NoRoute,
    /// The lane did not admit it.
    ByLane(Refusal),
}

/// The settings of a test: all on one thread, and nothing waits long.
#[must_use]
pub fn test_settings() -> TreeSettings {
    TreeSettings {
        arbiters: 0,
        clock: Clock::beginning_with(DateTime::UNIX_EPOCH + TimeDelta::days(20_000)),
        ..TreeSettings::default()
    }
}

impl TestTree {
    /// Starts a tree without jobs.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(test_settings())
    }

    /// Starts a tree with other settings; `arbiters` has to be 0.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with(settings: TreeSettings) -> Self {
        assert_eq!(settings.arbiters, 0, "paused time is that of one thread");
        Self::start_on(settings, Handle::current())
    }

    /// Starts a tree that may run on several threads, with another runtime for its ports: for tests in real time.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_on(settings: TreeSettings, io: Handle) -> Self {
        let catalogue = Arc::new(FakeCatalogue::default());
        let archives = Arc::new(FakeArchives::default());
        let logs = Arc::new(FakeLogStore::default());
        let invocations = Arc::new(FakeInvocationStore::default());
        let gateway = Arc::new(FakeHttpServer::default());
        let deliveries = Arc::new(FakeDeliveries::new(settings.clock));
        let broker = Arc::new(FakeBroker::default());
        let leases = Arc::new(FakeLeases::default());
        let engine = FakeEngine::new();
        let ports = Ports {
            catalogue: catalogue.clone(),
            archives: archives.clone(),
            engine: engine.clone(),
            functions: Arc::new(FakeFunctionStore::default()),
            logs: logs.clone(),
            invocations: invocations.clone(),
            queue: deliveries.clone(),
            schedules: deliveries.clone(),
            mqtt: broker.clone(),
            session_leases: leases.clone(),
            lent_broker: Arc::default(),
            recorder: None,
        };
        let servers = Servers {
            gateway: gateway.clone(),
            admin: Arc::new(FakeHttpServer::default()),
        };
        let handle = start(settings, ports, Vec::new(), io, |_| servers).expect("a tree starts");
        engine.connect(handle.surroundings());
        Self {
            handle,
            catalogue,
            archives,
            engine,
            logs,
            invocations,
            deliveries,
            broker,
            leases,
            gateway,
        }
    }

    /// Publishes and activates a package, and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn serve(&self, package: &FakePackage) -> Arc<JobVersion> {
        let version = self.catalogue.publish(package);
        self.activate(&version).await;
        version
    }

    /// Activates a version, and waits until it serves.
    ///
    /// # Panics
    /// If it does not.
    pub async fn activate(&self, version: &Arc<JobVersion>) {
        self.catalogue.activate(version);
        self.until(|| self.handle.is_ready()).await;
        let reconciled = self.handle.reconcile(version.job, BOUND).await;
        reconciled.expect("the version serves in the end");
    }

    /// Sends a GET without a body. What the handler does is up to the path, `/<job>/<what>`: `echo`, `throw`, `wait/<ms>`,
    /// `never`, `stubborn` (does not let go), `settle` (without an answer), `stream/<KiB>`, `half` (then the process
    /// ends), `late` (works on after its answer), `twice` and `overrun` (breaches of the protocol), `exit`, `oom`; anything else says
    /// hello.
    ///
    /// # Errors
    /// [`Refused`] when it was not admitted.
    pub fn send(&self, path: &str) -> Result<PendingReply, Refused> {
        self.send_body(path, InputBody::Whole(Bytes::new()))
    }

    /// As [`send`](Self::send), with a body.
    ///
    /// # Errors
    /// [`Refused`] when it was not admitted.
    pub fn send_body(&self, path: &str, body: InputBody) -> Result<PendingReply, Refused> {
        let target = self.route(path).ok_or(Refused::NoRoute)?;
        let permit = target.action.admit().map_err(Refused::ByLane)?;
        let (reply, pending) = reply_channel();
        target.action.invoke(Invocation {
            id: InvocationId::generate(),
            attempt: 1,
            trace: TraceContext::root(),
            trigger: target.trigger,
            input: Input::Http {
                http: Box::new(request(path)),
            },
            body,
            admitted: Instant::now(),
            reply,
            permit,
        });
        Ok(pending)
    }

    /// Sends a GET and waits for its outcome.
    ///
    /// # Panics
    /// If it is not admitted.
    pub async fn call(&self, path: &str) -> Outcome {
        match self.send(path) {
            Ok(pending) => pending.outcome().await,
            Err(refused) => panic!("{path} was refused: {refused:?}"),
        }
    }

    /// Sends a GET and waits for the whole of its answer.
    ///
    /// # Panics
    /// If it has another outcome than an answer.
    pub async fn get(&self, path: &str) -> Bytes {
        match self.call(path).await {
            Outcome::Responded { body, .. } => whole(body).await.expect("the answer is complete"),
            other => panic!("{path} was not answered: {other:?}"),
        }
    }

    /// Who answers this path now.
    #[must_use]
    pub fn route(&self, path: &str) -> Option<RouteTarget> {
        match self.handle.routes().load().lookup(None, "GET", path) {
            Lookup::Found { target, .. } => Some(target.clone()),
            _ => None,
        }
    }

    /// How full the lane behind this path is.
    ///
    /// # Panics
    /// If there is no such route.
    #[must_use]
    pub fn gauge(&self, path: &str) -> LaneGauge {
        let target = self.route(path).expect("there is a route");
        target.action.gauge()
    }

    /// The paths of the actors of this kind that have not ended.
    pub async fn actors(&self, kind: &str) -> Vec<String> {
        let mut paths = Vec::new();
        collect(&self.handle.snapshot().await, kind, &mut paths);
        paths
    }

    /// Crashes every actor of this kind (`action`, `job`, `runner`, …) and returns how many that were.
    #[must_use]
    pub fn crash(&self, kind: &str) -> usize {
        let victims = super::crash::victims(kind);
        victims.iter().filter(|path| super::crash::crash(path)).count()
    }

    /// Waits until this holds.
    ///
    /// # Panics
    /// If it does not within ten minutes of the test's time.
    #[track_caller]
    pub fn until(&self, condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
        eventually(BOUND, condition)
    }

    /// Waits until so many runners serve behind this path.
    ///
    /// # Panics
    /// If they do not.
    pub async fn until_runners(&self, path: &str, runners: usize) {
        self.until(|| {
            self.route(path)
                .is_some_and(|target| target.action.gauge().runners == runners)
        })
        .await;
    }

    /// Stops everything and checks that nothing stays.
    ///
    /// # Panics
    /// If something does.
    pub async fn shut_down(&self) {
        let stopped = self.handle.shutdown(Duration::from_secs(120)).await;
        stopped.expect("the engine answers");
        assert_eq!(self.engine.live(), [], "runners are left");
        assert!(self.handle.runners(None).is_empty(), "the registry is not empty");
        assert_eq!(self.engine.faults(), Vec::<String>::new());
    }
}

fn request(path: &str) -> HttpInput {
    HttpInput {
        method: "GET".into(),
        target: path.into(),
        scheme: "http".into(),
        authority: "test".into(),
        headers: Vec::new(),
        params: BTreeMap::new(),
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        size: None,
    }
}

fn collect(node: &TreeNode, kind: &str, paths: &mut Vec<String>) {
    if node.kind == kind && node.state != jobber_kernel::ActorState::Stopped {
        paths.push(node.path.as_str().to_owned());
    }
    for child in &node.children {
        collect(child, kind, paths);
    }
}

/// All of a body.
///
/// # Errors
/// [`BodyError`] when it is cut short.
pub async fn whole(body: OutputBody) -> Result<Bytes, BodyError> {
    let mut receiver = match body {
        OutputBody::Whole(bytes) => return Ok(bytes),
        OutputBody::Stream(receiver) => receiver,
    };
    let mut all = Vec::new();
    while let Some(chunk) = receiver.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(Bytes::from(all))
}
