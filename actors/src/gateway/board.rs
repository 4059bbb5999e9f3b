//! What the triggers have published, and the table compiled from it. Lives outside of the actors: a trigger or a
//! gateway that restarts takes no route away.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use crate::action::ActionHandle;
use crate::domain::{JobId, TriggerId};
use crate::invocation::TriggerRef;
use crate::routing::{Route, RoutePattern, RouteTable};

/// Who answers a route.
#[derive(Clone, Debug)]
pub struct RouteTarget {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub job_name: Arc<str>,
    /// The trigger.
    pub trigger: TriggerRef,
    /// The action of the version that serves.
    pub action: ActionHandle,
}

/// Counts the changes of a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edition(u64);

#[derive(Default)]
struct Published {
    routes: HashMap<TriggerId, (RoutePattern, RouteTarget)>,
    edition: Edition,
}

/// The published routes.
pub struct RouteBoard {
    published: Mutex<Published>,
    changed: Notify,
    table: Arc<ArcSwap<RouteTable<RouteTarget>>>,
    compiled: watch::Sender<Edition>,
}

impl std::fmt::Debug for RouteBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteBoard")
            .field("routes", &self.table.load().len())
            .finish_non_exhaustive()
    }
}

impl Default for RouteBoard {
    fn default() -> Self {
        Self {
            published: Mutex::default(),
            changed: Notify::new(),
            table: Arc::new(ArcSwap::from_pointee(RouteTable::default())),
            compiled: watch::Sender::new(Edition::default()),
        }
    }
}

impl RouteBoard {
    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table that the gateway's workers look into. Loading it costs no lock.
    #[must_use]
    pub fn table(&self) -> Arc<ArcSwap<RouteTable<RouteTarget>>> {
        Arc::clone(&self.table)
    }

    /// Publishes a trigger's route, instead of the one it had. It serves when the edition is compiled.
    pub(crate) fn publish(&self, pattern: RoutePattern, target: RouteTarget) {
        self.change(|published| {
            published.routes.insert(target.trigger.id, (pattern, target));
        });
    }

    /// Whether this trigger's route is published.
    pub(crate) fn serves_trigger(&self, trigger: TriggerId) -> bool {
        self.lock().routes.contains_key(&trigger)
    }

    /// Takes away the routes of a job that are not of these triggers, whoever published them: a former life of the job may
    /// have.
    pub(crate) fn keep_only(&self, job: JobId, triggers: &HashSet<TriggerId>) {
        self.retain(|target| target.job != job || triggers.contains(&target.trigger.id));
    }

    /// Takes away the routes that do not lead where `stays` says. Without any nothing changes.
    pub(crate) fn retain(&self, stays: impl Fn(&RouteTarget) -> bool) {
        let goes = |published: &Published| published.routes.values().any(|(_, target)| !stays(target));
        if goes(&self.lock()) {
            self.change(|published| published.routes.retain(|_, (_, target)| stays(target)));
        }
    }

    fn change(&self, change: impl FnOnce(&mut Published)) {
        let mut published = self.lock();
        change(&mut published);
        published.edition.0 += 1;
        drop(published);
        self.changed.notify_one();
    }

    /// The newest edition.
    pub(crate) fn edition(&self) -> Edition {
        self.lock().edition
    }

    /// Resolves when the given edition, or a later one, serves.
    pub(crate) async fn serves(&self, edition: Edition) {
        let mut compiled = self.compiled.subscribe();
        // The sender lives in this board, so the channel can not be closed.
        if compiled.wait_for(|now| *now >= edition).await.is_err() {
            tracing::error!("the route board is gone while somebody waits for it");
        }
    }

    /// Resolves when there is something to compile. Many changes resolve it once.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Compiles what is published and lets it serve.
    pub(crate) fn compile(&self) {
        let (edition, mut routes) = {
            let published = self.lock();
            let route = |(pattern, target): &(RoutePattern, RouteTarget)| Route {
                pattern: pattern.clone(),
                target: target.clone(),
            };
            (
                published.edition,
                published.routes.values().map(route).collect::<Vec<_>>(),
            )
        };
        if edition == *self.compiled.borrow() {
            return;
        }
        // Publishing refuses conflicts; should one be there all the same, the older trigger keeps the route.
        routes.sort_by_key(|route| route.target.trigger.id);
        let (table, refused) = RouteTable::build(routes);
        for route in refused {
            tracing::error!(job = %route.target.job_name, pattern = ?route.pattern, "another trigger has this route");
        }
        self.table.store(Arc::new(table));
        self.compiled.send_replace(edition);
    }
}
