//! What the triggers of a version publish, and the actors that do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use jobber_kernel::{ActorId, Child, ChildRef};

use crate::action::{ActionHandle, patient_share};
use crate::domain::{DesiredJob, JobVersion, TriggerId};
use crate::gateway::RouteTarget;
use crate::invocation::TriggerRef;
use crate::manifest::{ActionConfig, TriggerKind};
use crate::mqtt::{ConnectionSettings, MqttSeed, dormant_sessions};
use crate::ports::SessionSettings;
use crate::scheduler::ScheduleSeed;
use crate::tree::Surroundings;
use crate::trigger::HttpTriggerSeed;

/// So many runners are counted on where a package sets no limit of its own.
const RUNNERS_WITHOUT_LIMIT: u32 = 16;

/// What each trigger of a version publishes.
#[derive(Default)]
pub(super) struct Seeds {
    pub(super) http: Vec<(TriggerId, HttpTriggerSeed)>,
    pub(super) schedule: Vec<(TriggerId, ScheduleSeed)>,
    pub(super) mqtt: Vec<(TriggerId, MqttSeed)>,
}

impl Seeds {
    pub(super) fn of(
        job: &DesiredJob,
        version: &JobVersion,
        action: &ActionHandle,
        around: &Surroundings,
    ) -> Self {
        let mut seeds = Self::default();
        let lent = around.lent_broker.load();
        for desired in &version.triggers {
            let Some(config) = version.manifest.triggers.get(desired.index) else {
                continue;
            };
            let id = desired.id;
            let trigger = TriggerRef {
                id,
                name: config.name.as_ref().map(|name| Arc::from(name.as_str())),
            };
            match &config.kind {
                TriggerKind::Http(http) => {
                    let target = RouteTarget {
                        job: job.id,
                        job_name: Arc::clone(&job.name),
                        trigger,
                        action: action.clone(),
                    };
                    let pattern = http.route.clone();
                    seeds.http.push((id, HttpTriggerSeed { pattern, target }));
                }
                TriggerKind::Schedule(schedule) => {
                    let seed = ScheduleSeed {
                        job: job.id,
                        job_name: Arc::clone(&job.name),
                        trigger,
                        config: Arc::new(schedule.clone()),
                    };
                    seeds.schedule.push((id, seed));
                }
                TriggerKind::Mqtt(mqtt) => {
                    let lent = lent.as_deref();
                    let seed = MqttSeed {
                        job: job.id,
                        job_name: Arc::clone(&job.name),
                        trigger,
                        position: desired.index,
                        topics: mqtt.topics.clone(),
                        qos: mqtt.qos,
                        connection: ConnectionSettings::resolve(
                            &mqtt.connection,
                            &job.environment,
                            job.id,
                            lent,
                        ),
                        action: action.clone(),
                        retries: version.manifest.action.retries.clone(),
                        window: window(&version.manifest.action),
                    };
                    seeds.mqtt.push((id, seed));
                }
            }
        }
        seeds
    }
}

/// The sessions that brokers keep for a job that is disabled.
pub(super) fn dormant_sessions_of(job: &DesiredJob, around: &Surroundings) -> Vec<SessionSettings> {
    let lent = around.lent_broker.load();
    let triggers = job.active.iter().flat_map(|version| &version.manifest.triggers);
    let sessions = triggers.filter_map(|trigger| match &trigger.kind {
        TriggerKind::Mqtt(mqtt) => {
            let settings =
                ConnectionSettings::resolve(&mqtt.connection, &job.environment, job.id, lent.as_deref());
            Some(dormant_sessions(&settings.ok()?, &mqtt.topics))
        }
        TriggerKind::Http(_) | TriggerKind::Schedule(_) => None,
    });
    sessions.flatten().collect()
}

/// How many messages an action can have at once: with all its runners, and in the part of its queue that is for patient work.
fn window(action: &ActionConfig) -> u32 {
    let runners = action
        .runner_max_count
        .map_or(RUNNERS_WITHOUT_LIMIT, std::num::NonZeroU32::get);
    let concurrent = action.concurrency.get().saturating_mul(runners);
    concurrent.saturating_add(patient_share(action.queue.length))
}

struct Running<A: Child, S> {
    child: ChildRef<A>,
    seed: Arc<ArcSwap<S>>,
}

/// What an actor publishes.
pub(super) trait Publishes {
    type Seed: Clone;
}

impl Publishes for crate::trigger::HttpTrigger {
    type Seed = HttpTriggerSeed;
}

impl Publishes for crate::trigger::ScheduleTrigger {
    type Seed = ScheduleSeed;
}

impl Publishes for crate::trigger::MqttTrigger {
    type Seed = MqttSeed;
}

/// The actors of one kind of trigger.
pub(super) struct Kept<A: Child + Publishes> {
    running: HashMap<TriggerId, Running<A, A::Seed>>,
}

impl<A: Child + Publishes> Default for Kept<A> {
    fn default() -> Self {
        Self {
            running: HashMap::new(),
        }
    }
}

impl<A: Child + Publishes> Kept<A> {
    /// Lets the trigger publish this; `start` starts its actor if there is none.
    pub(super) fn keep(
        &mut self,
        id: TriggerId,
        seed: &A::Seed,
        start: impl FnOnce(Arc<ArcSwap<A::Seed>>) -> ChildRef<A>,
    ) {
        match self.running.get(&id).filter(|running| !running.child.is_over()) {
            Some(running) => running.seed.store(Arc::new(seed.clone())),
            None => {
                let shared = Arc::new(ArcSwap::from_pointee(seed.clone()));
                let child = start(Arc::clone(&shared));
                self.running.insert(id, Running { child, seed: shared });
            }
        }
    }

    /// Stops all others.
    pub(super) fn keep_only(&mut self, ids: &HashSet<TriggerId>) {
        self.running.retain(|id, running| {
            let stays = ids.contains(id);
            if !stays {
                running.child.stop("the version that serves does not have it");
            }
            stays
        });
    }

    /// An actor ended.
    pub(super) fn ended(&mut self, child: ActorId) {
        self.running.retain(|_, running| running.child.id() != child);
    }
}
