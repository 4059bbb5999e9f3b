//! The parent of everything else.

use std::net::TcpListener;
use std::sync::Arc;

use actix::Actor;
use jobber_kernel::{Child, ChildSpec, Context, Intensity, StopOrder};

use super::handle::Servers;
use super::surroundings::Surroundings;
use crate::admin::Admin;
use crate::delivery::Deliveries;
use crate::engine::{EngineEvents, EngineWatch};
use crate::gateway::Gateway;
use crate::jobs::Jobs;
use crate::ledger::Ledger;
use crate::log_sink::LogSink;
use crate::mqtt::Mqtt;
use crate::pool::Pool;
use crate::pulse::Pulse;
use crate::runner_manager::RunnerManager;
use crate::scheduler::Scheduler;

/// What the root's children are made of, over all of its lives.
#[derive(Clone)]
pub(super) struct RootParts {
    pub(super) around: Arc<Surroundings>,
    pub(super) servers: Servers,
    pub(super) listeners: Arc<Vec<TcpListener>>,
    pub(super) events: Option<EngineEvents>,
}

/// The root. Its children are started in the order in which they need each other, and stopped in the reverse one: first
/// nobody can call any more, then what runs finishes, then brokers are left and what failed is written, at last the logs are kept.
pub(super) struct Root {
    parts: RootParts,
}

impl Root {
    pub(super) fn new(parts: RootParts) -> Self {
        Self { parts }
    }
}

/// A child of the root that comes back whenever its surroundings do, however often it fails.
fn always(name: &str) -> ChildSpec {
    ChildSpec::permanent(name).intensity(Intensity::UNLIMITED)
}

impl Actor for Root {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let RootParts {
            around,
            servers,
            listeners,
            events,
        } = &self.parts;
        let drain = around.settings.drain_time;
        let arbiters = around.job_arbiters().into_iter();
        for (name, arbiter) in arbiters
            .map(|(name, arbiter)| (name, Some(arbiter)))
            .chain([("main".into(), None)])
        {
            let mut spec = always(&format!("pulse {name}"));
            if let Some(arbiter) = arbiter {
                spec = spec.on(arbiter);
            }
            let pulses = Arc::clone(&around.pulses);
            ctx.spawn_child(spec, move || Pulse::new(Arc::clone(&name), Arc::clone(&pulses)));
        }
        let (shared, received) = (Arc::clone(around), events.clone());
        let sink = Arc::clone(around);
        ctx.spawn_child(always("log-sink"), move || LogSink::new(Arc::clone(&sink)));
        let shared_ledger = Arc::clone(around);
        ctx.spawn_child(always("ledger"), move || Ledger::new(Arc::clone(&shared_ledger)));
        ctx.spawn_child(always("engine"), move || {
            EngineWatch::new(received.clone(), Arc::clone(&shared))
        });
        ctx.spawn_child(always("pool"), Pool::default);
        let (shared, sockets) = (Arc::clone(around), Arc::clone(listeners));
        ctx.spawn_child(always("runner-manager"), move || {
            RunnerManager::new(Arc::clone(&sockets), Arc::clone(&shared))
        });
        // Both end after the jobs: what finishes then is still acknowledged or kept, and may still publish.
        let shared = Arc::clone(around);
        ctx.spawn_child(always("deliveries").stop_grace(drain), move || {
            Deliveries::new(Arc::clone(&shared))
        });
        let shared = Arc::clone(around);
        ctx.spawn_child(always("mqtt"), move || Mqtt::new(Arc::clone(&shared)));
        let shared = Arc::clone(around);
        let jobs = ctx.spawn_child(always("jobs").stop_grace(drain), move || {
            Jobs::new(Arc::clone(&shared))
        });
        around.set_jobs(jobs.addr().clone());
        let shared = Arc::clone(around);
        ctx.spawn_child(always("scheduler"), move || Scheduler::new(Arc::clone(&shared)));
        let (shared, server) = (Arc::clone(around), Arc::clone(&servers.gateway));
        ctx.spawn_child(always("gateway").stop_grace(drain), move || {
            Gateway::new(Arc::clone(&server), Arc::clone(&shared))
        });
        let (shared, server) = (Arc::clone(around), Arc::clone(&servers.admin));
        ctx.spawn_child(always("admin"), move || {
            Admin::new(Arc::clone(&server), Arc::clone(&shared))
        });
    }
}

impl Child for Root {
    const KIND: &'static str = "root";
    const STOP_CHILDREN: StopOrder = StopOrder::Reverse;
}
