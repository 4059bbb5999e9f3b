//! How changes are told to whoever listens.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Change, Extent, Topic};
use crate::domain::JobId;

/// Changes that somebody may be behind before they miss some.
const BEHIND: usize = 256;

/// Tells changes to whoever listens. Costs next to nothing while nobody does. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    /// Whoever wants to hear of changes from now on.
    #[must_use]
    pub fn watch(&self) -> ChangeWatch {
        ChangeWatch(self.0.subscribe())
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Something has changed. Whose it is, is only asked for if somebody listens.
    pub fn tell(&self, topic: Topic, of: impl FnOnce() -> Extent) {
        if self.is_heard() {
            // Nobody who listens any more is no error.
            let _ = self.0.send(Change { topic, of: of() });
        }
    }

    /// Something of these jobs has changed.
    pub fn tell_of(&self, topic: Topic, jobs: impl IntoIterator<Item = JobId>) {
        self.tell(topic, || Extent::Jobs(jobs.into_iter().collect()));
    }
}

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// This has changed.
    Changed(Change),
    /// More has changed than could be told: anything may have.
    Missed,
}

/// Hears of changes.
#[derive(Debug)]
pub struct ChangeWatch(broadcast::Receiver<Change>);

impl ChangeWatch {
    /// The next news. Never resolves when nothing can change any more.
    pub async fn next(&mut self) -> News {
        match self.0.recv().await {
            Ok(change) => News::Changed(change),
            Err(RecvError::Lagged(_)) => News::Missed,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Resolves when this has changed of a job since the last time, or may have.
    pub async fn changed(&mut self, topic: Topic, job: JobId) {
        loop {
            match self.next().await {
                News::Changed(change) if change.topic == topic && change.of.covers(job) => return,
                News::Changed(_) => {}
                News::Missed => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn changes_are_heard_by_whoever_listens() {
        let changes = Changes::default();
        changes.tell(Topic::Jobs, || unreachable!("nobody listens"));
        let mut watch = changes.watch();
        let (job, other) = (JobId::generate(), JobId::generate());
        changes.tell_of(Topic::Runners, [job, other]);
        changes.tell(Topic::Health, || Extent::Any);
        let change = Change {
            topic: Topic::Runners,
            of: Extent::Jobs([job, other].into()),
        };
        assert_eq!(watch.next().await, News::Changed(change));
        let News::Changed(change) = watch.next().await else {
            panic!("nothing was missed")
        };
        assert_eq!((change.topic, change.of), (Topic::Health, Extent::Any));
    }

    #[tokio::test]
    async fn one_jobs_changes_are_told_from_others() {
        let changes = Changes::default();
        let mut watch = changes.watch();
        let (job, other) = (JobId::generate(), JobId::generate());
        changes.tell_of(Topic::Logs, [other]);
        changes.tell_of(Topic::Runners, [job]);
        assert_eq!(watch.changed(Topic::Logs, job).now_or_never(), None);
        changes.tell_of(Topic::Logs, [job]);
        assert_eq!(watch.changed(Topic::Logs, job).now_or_never(), Some(()));
    }

    #[tokio::test]
    async fn who_is_too_far_behind_is_told_so_once() {
        let changes = Changes::default();
        let mut watch = changes.watch();
        for _ in 0..=BEHIND {
            changes.tell(Topic::Actors, || Extent::Any);
        }
        assert_eq!(watch.next().await, News::Missed);
        let next = watch.next().await;
        assert!(matches!(next, News::Changed(_)), "{next:?}");
    }
}
