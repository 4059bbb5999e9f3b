//! A job's triggers: one actor each, kept over versions that name the same trigger.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jobber_kernel::{ActorId, ChildRef, ChildSpec, Intensity, Scope};

use crate::action::ActionHandle;
use crate::domain::{DesiredJob, JobVersion, TriggerId};
use crate::gateway::{RouteBoard, RouteTarget};
use crate::invocation::TriggerRef;
use crate::manifest::{TriggerConfig, TriggerKind};
use crate::trigger::{HttpTrigger, HttpTriggerSeed};

struct Running {
    child: ChildRef<HttpTrigger>,
    seed: Arc<ArcSwap<HttpTriggerSeed>>,
}

/// The trigger actors of one job.
#[derive(Default)]
pub(super) struct Triggers {
    running: HashMap<TriggerId, Running>,
}

impl Triggers {
    /// Lets exactly the triggers of this version run, and has them lead to this action.
    pub(super) fn lead_to(
        &mut self,
        job: &DesiredJob,
        version: &JobVersion,
        action: &ActionHandle,
        scope: &Scope,
        board: &Arc<RouteBoard>,
    ) {
        let wanted: HashMap<TriggerId, HttpTriggerSeed> = version
            .triggers
            .iter()
            .filter_map(|desired| Some((desired.id, version.manifest.triggers.get(desired.index)?)))
            .filter_map(|(id, trigger)| Some((id, seed(job, id, trigger, action)?)))
            .collect();
        for (id, seed) in &wanted {
            match self.running.get(id).filter(|running| !running.child.is_over()) {
                Some(running) => {
                    running.seed.store(Arc::new(seed.clone()));
                }
                None => {
                    let shared = Arc::new(ArcSwap::from_pointee(seed.clone()));
                    let child = start(*id, &shared, scope, board);
                    self.running.insert(*id, Running { child, seed: shared });
                }
            }
            // Published here and now, so that the caller knows the edition to wait for. The actor publishes the same
            // again whenever it is started.
            board.publish(seed.pattern.clone(), seed.target.clone());
        }
        board.keep_only(job.id, &wanted.keys().copied().collect());
        self.running.retain(|id, running| {
            let stays = wanted.contains_key(id);
            if !stays {
                running.child.stop("the version does not have it");
            }
            stays
        });
    }

    /// Stops every trigger.
    pub(super) fn stop(&mut self, board: &RouteBoard) {
        for (id, running) in self.running.drain() {
            board.withdraw(id);
            running.child.stop("the job does not serve");
        }
    }

    /// A trigger actor ended; one that did not do so on purpose is missed when the routes are next looked at.
    pub(super) fn ended(&mut self, child: ActorId) {
        self.running.retain(|_, running| running.child.id() != child);
    }
}

fn start(
    id: TriggerId,
    seed: &Arc<ArcSwap<HttpTriggerSeed>>,
    scope: &Scope,
    board: &Arc<RouteBoard>,
) -> ChildRef<HttpTrigger> {
    let (seed, board) = (Arc::clone(seed), Arc::clone(board));
    let spec = ChildSpec::permanent(format!("trigger {id}")).intensity(Intensity::UNLIMITED);
    scope.spawn(spec, move || {
        HttpTrigger::new(Arc::clone(&seed), Arc::clone(&board))
    })
}

/// What an HTTP trigger publishes; other kinds are validated at publish and not served yet.
fn seed(
    job: &DesiredJob,
    id: TriggerId,
    trigger: &TriggerConfig,
    action: &ActionHandle,
) -> Option<HttpTriggerSeed> {
    let TriggerKind::Http(http) = &trigger.kind else {
        return None;
    };
    Some(HttpTriggerSeed {
        pattern: http.route.clone(),
        target: RouteTarget {
            job: job.id,
            job_name: Arc::clone(&job.name),
            trigger: TriggerRef {
                id,
                name: trigger.name.as_ref().map(|name| Arc::from(name.as_str())),
            },
            action: action.clone(),
        },
    })
}
