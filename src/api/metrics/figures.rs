//! The numbers of one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobber_actors::action::LaneGauge;
use jobber_actors::delivery::DeskGauge;
use jobber_actors::metrics::{Ending, JobTally};
use jobber_actors::runner_manager::RunnerStage;
use jobber_actors::sink::RingGauge;
use jobber_kernel::TreeNode;

use crate::api::state::ApiState;
use crate::store::{StoredFigures, figures};

/// Counts by what they are of.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// Everything that is counted.
pub(super) struct Figures {
    /// What the database has; nothing while it does not answer.
    pub(super) stored: Option<StoredFigures>,
    /// The jobs' names and what their invocations came to.
    pub(super) tallies: Vec<(Arc<str>, Arc<JobTally>)>,
    pub(super) lanes: Vec<Lane>,
    /// How far each runner has come.
    pub(super) stages: Vec<RunnerStage>,
    /// How often the actors that are there now were restarted, by their kinds.
    pub(super) restarts: Counts,
    pub(super) logs: RingGauge,
    pub(super) desk: DeskGauge,
}

/// How full the lane is that serves a job.
pub(super) struct Lane {
    pub(super) job: Arc<str>,
    pub(super) gauge: LaneGauge,
}

impl Figures {
    /// Everything as it is now. What the database does not tell is left out: that it does not answer is a number, too.
    pub(super) async fn gather(state: &ApiState) -> Self {
        let stored = figures(&state.database).await;
        let stored = stored
            .inspect_err(|error| tracing::warn!(%error, "metrics are without the numbers of the database"))
            .ok();
        let tree = &state.tree;
        let mut restarts = Counts::new();
        count_restarts(&tree.snapshot().await, &mut restarts);
        let lanes = tree.lanes().into_iter();
        let mut tallies = tree.tallies().all();
        tallies.sort_by(|(one, _), (two, _)| one.cmp(two));
        Self {
            stored,
            tallies,
            lanes: lanes.map(|(job, gauge)| Lane { job, gauge }).collect(),
            stages: tree.runners(None).iter().map(|runner| runner.stage).collect(),
            restarts,
            logs: tree.log_gauge(),
            desk: tree.deliveries(),
        }
    }

    /// Runners by how far they have come.
    pub(super) fn runners(&self) -> Counts {
        let stages = RunnerStage::ALL.map(|stage| {
            let there = self.stages.iter().filter(|one| **one == stage);
            (stage.name(), there.count() as u64)
        });
        stages.into()
    }

    /// Invocations by how they ended.
    pub(super) fn invocations(&self) -> Counts {
        let endings = Ending::ALL.map(|ending| {
            let of_jobs = self.tallies.iter().flat_map(|(_, tally)| tally.by_trigger());
            (
                ending.name(),
                of_jobs.map(|(_, counts)| counts.ended(ending)).sum(),
            )
        });
        endings.into()
    }
}

fn count_restarts(node: &TreeNode, restarts: &mut Counts) {
    *restarts.entry(node.kind).or_default() += u64::from(node.restarts);
    for child in &node.children {
        count_restarts(child, restarts);
    }
}
