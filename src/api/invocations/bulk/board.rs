//! Replays of many invocations, as this life of the server knows them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use jobber_actors::changes::{Changes, Extent, Topic};
use jobber_actors::domain::JobId;
use jobber_actors::ports::InvocationStatus;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Most that are under way at once.
const MOST_RUNNING: usize = 4;
/// Most that are remembered. The oldest that is over is forgotten first.
const MOST_KEPT: usize = 50;

/// How a replay of many stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Stage {
    /// It goes on.
    Running,
    /// All was dealt with.
    Finished,
    /// Somebody has stopped it.
    Cancelled,
    /// The server stopped it, or it failed.
    Interrupted,
}

/// A replay of many invocations: how it stands, and what has come of it so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkReplay)]
pub(in crate::api) struct Progress {
    /// Its id, as long as this server lives.
    id: Uuid,
    stage: Stage,
    /// When it was asked for.
    began: DateTime<Utc>,
    /// When it was over.
    ended: Option<DateTime<Utc>>,
    /// How many invocations it is about.
    found: usize,
    /// Whether the filter finds more than may be done again at once.
    more: bool,
    /// How many were begun again.
    begun: usize,
    /// Of those, how many have ended well.
    succeeded: usize,
    /// Of those, how many have ended otherwise.
    failed: usize,
    /// How many could not be begun, by the code of the error that says why.
    refused: BTreeMap<String, usize>,
}

/// One replay of many.
#[derive(Debug)]
pub(super) struct Run {
    /// Of which jobs.
    pub(super) jobs: Vec<JobId>,
    progress: Mutex<Progress>,
    changes: Changes,
}

/// What this server knows.
#[derive(Clone, Debug)]
pub(in crate::api) struct Replays {
    runs: Arc<Mutex<VecDeque<Arc<Run>>>>,
    changes: Changes,
}

/// Marks a run as over when it is dropped, whatever has ended it.
#[derive(Debug)]
pub(super) struct Running(Arc<Run>);

impl Replays {
    /// None yet. How they go on is told.
    pub(in crate::api) fn new(changes: Changes) -> Self {
        Self {
            runs: Arc::default(),
            changes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Run>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a new one down; `None` if as many go on as may.
    pub(super) fn begin(&self, jobs: Vec<JobId>, found: usize, more: bool) -> Option<Running> {
        let mut runs = self.lock();
        if runs.iter().filter(|run| run.is_running()).count() >= MOST_RUNNING {
            return None;
        }
        if runs.len() >= MOST_KEPT
            && let Some(over) = runs.iter().position(|run| !run.is_running())
        {
            runs.remove(over);
        }
        let run = Arc::new(Run {
            jobs,
            progress: Mutex::new(Progress {
                id: Uuid::now_v7(),
                stage: Stage::Running,
                began: Utc::now(),
                ended: None,
                found,
                more,
                begun: 0,
                succeeded: 0,
                failed: 0,
                refused: BTreeMap::new(),
            }),
            changes: self.changes.clone(),
        });
        runs.push_back(Arc::clone(&run));
        drop(runs);
        run.tell();
        Some(Running(run))
    }

    /// All that are remembered, the newest first.
    pub(super) fn all(&self) -> Vec<Arc<Run>> {
        self.lock().iter().rev().cloned().collect()
    }

    pub(super) fn find(&self, id: Uuid) -> Option<Arc<Run>> {
        self.lock().iter().find(|run| run.lock().id == id).cloned()
    }
}

impl Run {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it goes on.
    pub(super) fn is_running(&self) -> bool {
        self.lock().stage == Stage::Running
    }

    /// How it stands.
    pub(super) fn progress(&self) -> Progress {
        self.lock().clone()
    }

    /// Nothing more is begun. What was begun goes on.
    pub(super) fn cancel(&self) {
        self.end(Stage::Cancelled);
    }

    pub(super) fn begun(&self) {
        self.change(|progress| progress.begun += 1);
    }

    pub(super) fn ended(&self, status: InvocationStatus) {
        self.change(|progress| {
            if status == InvocationStatus::Succeeded {
                progress.succeeded += 1;
            } else {
                progress.failed += 1;
            }
        });
    }

    pub(super) fn refused(&self, code: &str) {
        self.change(|progress| *progress.refused.entry(code.to_owned()).or_default() += 1);
    }

    fn end(&self, stage: Stage) {
        self.change(|progress| {
            if progress.stage == Stage::Running {
                progress.stage = stage;
                progress.ended = Some(Utc::now());
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock());
        self.tell();
    }

    fn tell(&self) {
        self.changes.tell(Topic::Replays, || Extent::Any);
    }
}

impl Running {
    pub(super) fn run(&self) -> &Arc<Run> {
        &self.0
    }

    /// All was dealt with.
    pub(super) fn finish(self) {
        self.0.end(Stage::Finished);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end(Stage::Interrupted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_go_on_at_once_than_may_and_the_oldest_are_forgotten() {
        let replays = Replays::new(Changes::default());
        let begin = || replays.begin(Vec::new(), 3, false);
        let running: Vec<_> = (0..MOST_RUNNING)
            .map(|_| begin().expect("there is room"))
            .collect();
        assert!(begin().is_none());
        let first = running[0].run().progress().id;
        for run in running {
            run.finish();
        }
        for _ in 0..MOST_KEPT {
            begin().expect("there is room").finish();
        }
        assert_eq!(replays.all().len(), MOST_KEPT);
        assert!(replays.find(first).is_none());
    }

    #[test]
    fn what_ends_it_is_told_and_stays() {
        let replays = Replays::new(Changes::default());
        let stage = |end: fn(Running)| {
            let running = replays.begin(Vec::new(), 1, false).expect("there is room");
            let run = Arc::clone(running.run());
            end(running);
            let Progress { stage, ended, .. } = run.progress();
            assert!(ended.is_some());
            stage
        };
        assert_eq!(stage(Running::finish), Stage::Finished);
        assert_eq!(stage(drop), Stage::Interrupted);
        let cancelled = stage(|running| {
            running.run().cancel();
            running.finish();
        });
        assert_eq!(cancelled, Stage::Cancelled);
    }

    #[test]
    fn what_comes_of_them_is_counted() {
        let running = Replays::new(Changes::default())
            .begin(Vec::new(), 4, true)
            .expect("there is room");
        let run = running.run();
        for status in [InvocationStatus::Succeeded, InvocationStatus::Lost] {
            run.begun();
            run.ended(status);
        }
        run.refused("invocation-not-captured");
        run.refused("invocation-not-captured");
        let progress = run.progress();
        assert_eq!((progress.begun, progress.succeeded, progress.failed), (2, 1, 1));
        assert_eq!(progress.refused["invocation-not-captured"], 2);
        assert!(progress.more);
    }
}
