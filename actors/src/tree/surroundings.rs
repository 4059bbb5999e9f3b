//! What every actor may need and none of them owns: it is there before the first actor and after the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::{Addr, ArbiterHandle};
use arc_swap::ArcSwapOption;
use jobber_kernel::{ArbiterPool, Tasks};
use tokio::runtime::Handle;

use super::handle::Ports;
use super::settings::TreeSettings;
use crate::changes::Changes;
use crate::delivery::{AnswerCollector, DeliveryDesk};
use crate::domain::JobId;
use crate::gateway::RouteBoard;
use crate::job::ServingBoard;
use crate::jobs::Jobs;
use crate::ledger::{LaneBoard, RecordRing};
use crate::log_sink::{LogIntake, LogRing, LogTrouble};
use crate::metrics::TallyBoard;
use crate::mqtt::{MqttBoard, SharedLentBroker};
use crate::ports::{
    ArchiveStore, Catalogue, DurableQueue, Engine, InvocationStore, LogStore, MqttClients, ScheduleStore,
    SessionLeases,
};
use crate::pulse::PulseBoard;
use crate::runner_manager::RunnerRegistry;
use crate::scheduler::ScheduleBoard;
use crate::session::SessionContext;
use crate::trace::SharedRecorder;

/// The actors' surroundings.
pub struct Surroundings {
    /// What the operator says.
    pub settings: TreeSettings,
    /// The runtime for everything that waits for something outside.
    pub io: Handle,
    /// What should exist.
    pub catalogue: Arc<dyn Catalogue>,
    /// The packages' files.
    pub archives: Arc<dyn ArchiveStore>,
    /// What starts runners.
    pub engine: Arc<dyn Engine>,
    /// Where log lines are kept.
    pub log_store: Arc<dyn LogStore>,
    /// Log lines on their way there.
    pub logs: Arc<LogRing>,
    /// Why log lines can not be kept, if they can not.
    pub log_trouble: Arc<LogTrouble>,
    /// The way of lines into the ring.
    pub log_intake: Arc<LogIntake>,
    /// The news of what has changed.
    pub changes: Changes,
    /// Where the records of invocations are kept.
    pub invocation_store: Arc<dyn InvocationStore>,
    /// Records on their way there; none is made without.
    pub records: Option<Arc<RecordRing>>,
    /// All lanes, to look for what takes long.
    pub(crate) lanes: Arc<LaneBoard>,
    /// Which runners there are.
    pub registry: Arc<RunnerRegistry>,
    /// What the HTTP triggers have published.
    pub routes: Arc<RouteBoard>,
    /// What the schedule triggers have published.
    pub schedules: Arc<ScheduleBoard>,
    /// What the MQTT triggers have published.
    pub mqtt: Arc<MqttBoard>,
    /// Which action serves each job.
    pub serving: Arc<ServingBoard>,
    /// What the jobs' invocations came to.
    pub tallies: Arc<TallyBoard>,
    /// How late the arbiters' timers are.
    pub pulses: Arc<PulseBoard>,
    /// Deliveries in this server's hands.
    pub desk: Arc<DeliveryDesk>,
    /// Invocations that survive the server.
    pub queue: Arc<dyn DurableQueue>,
    /// The record of the schedules' instants.
    pub schedule_store: Arc<dyn ScheduleStore>,
    /// What makes clients of MQTT brokers.
    pub mqtt_clients: Arc<dyn MqttClients>,
    /// Which sessions with brokers this server may have.
    pub session_leases: Arc<dyn SessionLeases>,
    /// The broker for packages that name none, if one is lent.
    pub lent_broker: SharedLentBroker,
    /// Who records the spans of invocations.
    pub recorder: SharedRecorder,
    /// What sessions need; their tasks outlive the actors that talk to them.
    pub sessions: SessionContext,
    arbiters: Arbiters,
    jobs: ArcSwapOption<Addr<Jobs>>,
    ready: AtomicBool,
}

/// Where jobs run.
enum Arbiters {
    Pool(ArbiterPool),
    /// All on the arbiter that started the tree: with the clock of a test.
    One(ArbiterHandle),
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    pub(super) fn new(settings: TreeSettings, ports: Ports, io: Handle) -> std::io::Result<Self> {
        let logs = Arc::new(LogRing::new(settings.log_ring));
        let log_intake = Arc::new(LogIntake::new(Arc::clone(&logs), settings.log_rate));
        let arbiters = match settings.arbiters {
            0 => Arbiters::One(actix::Arbiter::current()),
            count => Arbiters::Pool(ArbiterPool::new(count)?),
        };
        let mqtt: Arc<MqttBoard> = Arc::default();
        let serving: Arc<ServingBoard> = Arc::default();
        Ok(Self {
            settings,
            desk: DeliveryDesk::new(
                Arc::clone(&serving),
                AnswerCollector::new(io.clone(), settings.max_result_bytes),
                settings.clock,
            ),
            serving,
            schedules: Arc::default(),
            queue: ports.queue,
            schedule_store: ports.schedules,
            mqtt_clients: ports.mqtt,
            session_leases: ports.session_leases,
            lent_broker: ports.lent_broker,
            recorder: ports.recorder,
            sessions: SessionContext {
                tasks: Arc::new(Tasks::new("sessions")),
                io: io.clone(),
                logs: Arc::clone(&log_intake),
                functions: ports.functions,
                mqtt: Arc::clone(&mqtt),
            },
            mqtt,
            io,
            catalogue: ports.catalogue,
            archives: ports.archives,
            engine: ports.engine,
            log_store: ports.logs,
            invocation_store: ports.invocations,
            records: settings.records.map(|limits| Arc::new(RecordRing::new(limits))),
            lanes: Arc::default(),
            logs,
            log_trouble: Arc::default(),
            log_intake,
            changes: Changes::default(),
            registry: Arc::default(),
            tallies: Arc::default(),
            pulses: Arc::default(),
            routes: Arc::default(),
            arbiters,
            jobs: ArcSwapOption::empty(),
            ready: AtomicBool::new(false),
        })
    }

    /// Takes away what jobs have published for which this does not hold: they are gone.
    pub(crate) fn keep_jobs(&self, stays: impl Fn(JobId) -> bool) {
        self.routes.retain(|target| stays(target.job));
        self.schedules.retain(|seed| stays(seed.job));
        self.mqtt.keep_jobs(&stays);
        self.serving.retain(&stays);
        self.tallies.retain(&stays);
    }

    /// The arbiter of a job and all below it: sends within a job stay on one thread.
    pub(crate) fn arbiter_for(&self, job: JobId) -> ArbiterHandle {
        match &self.arbiters {
            Arbiters::Pool(pool) => pool.for_key(&job),
            Arbiters::One(arbiter) => arbiter.clone(),
        }
    }

    /// The arbiters besides the one that started the tree, with their names.
    pub(super) fn job_arbiters(&self) -> Vec<(Arc<str>, ArbiterHandle)> {
        let named = |(number, arbiter)| (format!("jobs-{number}").into(), arbiter);
        match &self.arbiters {
            Arbiters::Pool(pool) => pool.all().enumerate().map(named).collect(),
            Arbiters::One(_) => Vec::new(),
        }
    }

    /// The reconciler has read the catalogue once.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether the jobs of the catalogue are known.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(super) fn set_jobs(&self, jobs: Addr<Jobs>) {
        self.jobs.store(Some(Arc::new(jobs)));
    }

    pub(super) fn jobs(&self) -> Option<Addr<Jobs>> {
        self.jobs.load().as_deref().cloned()
    }
}
