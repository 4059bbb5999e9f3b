//! Looks at what this server knows of itself, for as long as anybody wants to hear of changes. What has no moment at which it
//! changes, or too many places where it does, is compared with what it was before.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chrono::Utc;
use jobber_actors::changes::{Change, Extent, Topic};
use jobber_actors::domain::JobId;
use jobber_actors::tree::TreeHandle;
use jobber_kernel::TreeNode;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::backup::Backups;
use crate::health::{Health, Port};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Sees what changes. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(in crate::api) struct Lookout(Arc<Parts>);

struct Parts {
    tree: TreeHandle,
    health: Health,
    backups: Backups,
    /// The one who looks, while anybody wants that.
    looking: Mutex<Weak<Looking>>,
}

/// Changes are told while this is held.
pub(super) struct Looking {
    _task: JoinSet<()>,
}

impl Lookout {
    /// Nobody looks yet.
    pub(in crate::api) fn new(tree: TreeHandle, health: Health, backups: Backups) -> Self {
        Self(Arc::new(Parts {
            tree,
            health,
            backups,
            looking: Mutex::default(),
        }))
    }

    /// Looks until nobody holds what this gives any more.
    pub(super) fn look(&self) -> Arc<Looking> {
        let mut looking = self.0.looking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(looking) = looking.upgrade() {
            return looking;
        }
        let parts = Arc::clone(&self.0);
        // Not on the thread that serves whoever is the first to ask: it may end before others who look, too.
        let mut task = JoinSet::new();
        task.spawn_on(
            async move { parts.tell_again_and_again().await },
            self.0.tree.io(),
        );
        let begun = Arc::new(Looking { _task: task });
        *looking = Arc::downgrade(&begun);
        begun
    }
}

impl Parts {
    async fn tell_again_and_again(&self) {
        let mut due = interval(LOOK_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.see();
        loop {
            due.tick().await;
            let now = self.see();
            for Change { topic, of } in now.changes_since(&before) {
                self.tree.changes().tell(topic, || of);
            }
            before = now;
        }
    }

    fn see(&self) -> Seen {
        let mut seen = Seen::default();
        for runner in self.tree.runners(None) {
            seen.add(
                Topic::Runners,
                Some(runner.job_id),
                (runner.id, runner.stage.name()),
            );
        }
        for lane in self.tree.lanes() {
            seen.add(Topic::Jobs, Some(lane.job), lane.troubled);
        }
        for (job, gauge) in self.tree.mqtt_gauges() {
            let mut states: Vec<_> = gauge.states.iter().map(ToString::to_string).collect();
            states.sort_unstable();
            seen.add(Topic::Triggers, Some(job), states);
        }
        let now = Utc::now();
        for (job, trigger, status) in self.tree.schedules() {
            seen.add(Topic::Triggers, Some(job), (trigger, status.next_at(now)));
        }
        seen.add(Topic::Triggers, None, self.tree.schedule_trouble());
        seen.add(Topic::Backups, None, format!("{:?}", self.backups.gauge()));
        for check in self.health.report(Port::Admin).checks {
            let name = format!("{:?} {:?} {:?}", check.check, check.status, check.reason);
            seen.add(Topic::Health, None, name);
        }
        seen.add_actors(&self.tree.peek());
        seen
    }
}

/// What there was to see, no more of it than tells whether it is different.
#[derive(Default)]
struct Seen(BTreeMap<(Topic, Option<JobId>), DefaultHasher>);

impl Seen {
    fn add(&mut self, topic: Topic, of: Option<JobId>, what: impl Hash) {
        what.hash(self.0.entry((topic, of)).or_default());
    }

    fn add_actors(&mut self, actor: &TreeNode) {
        let state = format!("{} {:?}", actor.path, actor.state);
        self.add(Topic::Actors, None, (state, actor.restarts));
        actor.children.iter().for_each(|child| self.add_actors(child));
    }

    fn changes_since(&self, before: &Self) -> Vec<Change> {
        let value = |seen: &Self, key| seen.0.get(key).map(|hasher| hasher.finish());
        let keys = self
            .0
            .keys()
            .chain(before.0.keys().filter(|key| !self.0.contains_key(key)));
        let changed = keys.filter(|key| value(self, key) != value(before, key));
        let change = |(topic, of): &(Topic, Option<JobId>)| Change {
            topic: *topic,
            of: of.map_or(Extent::Any, Extent::job),
        };
        changed.map(change).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_different_new_or_gone_has_changed() {
        let (stays, moves, comes, goes) = (
            JobId::generate(),
            JobId::generate(),
            JobId::generate(),
            JobId::generate(),
        );
        let mut before = Seen::default();
        let mut now = Seen::default();
        for (job, was, is) in [
            (stays, Some("ready"), Some("ready")),
            (moves, Some("loading"), Some("ready")),
            (comes, None, Some("loading")),
            (goes, Some("ending"), None),
        ] {
            was.into_iter()
                .for_each(|stage| before.add(Topic::Runners, Some(job), stage));
            is.into_iter()
                .for_each(|stage| now.add(Topic::Runners, Some(job), stage));
        }
        before.add(Topic::Health, None, "well");
        now.add(Topic::Health, None, "amiss");
        let mut changed = now.changes_since(&before);
        changed.sort_by_key(|change| format!("{change:?}"));
        let mut expected: Vec<_> = [moves, comes, goes]
            .map(|job| Change {
                topic: Topic::Runners,
                of: Extent::job(job),
            })
            .into();
        expected.push(Change {
            topic: Topic::Health,
            of: Extent::Any,
        });
        expected.sort_by_key(|change| format!("{change:?}"));
        assert_eq!(changed, expected);
        assert_eq!(now.changes_since(&now), []);
    }
}
