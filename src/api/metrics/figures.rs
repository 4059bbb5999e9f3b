//! The numbers of one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobber_actors::delivery::DeskGauge;
use jobber_actors::domain::JobId;
use jobber_actors::metrics::{Ending, JobTally};
use jobber_actors::mqtt::MqttGauge;
use jobber_actors::runner_manager::RunnerStage;
use jobber_actors::sink::RingGauge;
use jobber_actors::tree::LaneView;
use jobber_kernel::TreeNode;

use crate::api::state::ApiState;
use crate::backup::BackupGauge;
use crate::gateway::GaugeReading;
use crate::process::{self, ProcessFigures, Started};
use crate::rollups::RollupGauge;
use crate::store::{PoolGauge, StoredFigures};

/// Counts by what they are of.
pub(super) type Counts = BTreeMap<&'static str, u64>;

/// Everything that is counted.
pub(super) struct Figures {
    /// What the database has; nothing while it does not answer.
    pub(super) stored: Option<StoredFigures>,
    pub(super) pool: PoolGauge,
    /// By their names.
    pub(super) jobs: Vec<Job>,
    pub(super) lanes: Vec<LaneView>,
    /// How far each runner has come.
    pub(super) stages: Vec<Stage>,
    /// How often the actors that are there now were restarted, by their kinds.
    pub(super) restarts: Counts,
    /// How often actors have failed, by their kinds.
    pub(super) failures: Counts,
    /// How late timers were, by arbiter.
    pub(super) lags: Vec<(Arc<str>, Duration)>,
    pub(super) logs: RingGauge,
    /// Nothing where invocations leave no records.
    pub(super) records: Option<RingGauge>,
    pub(super) rollups: RollupGauge,
    pub(super) desk: DeskGauge,
    /// By the jobs' names.
    pub(super) mqtt: BTreeMap<Arc<str>, MqttGauge>,
    pub(super) gateway: GaugeReading,
    pub(super) process: Option<ProcessFigures>,
    pub(super) started: Started,
    pub(super) backups: BackupGauge,
}

/// A job, and what its invocations came to.
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) name: Arc<str>,
    pub(super) tally: Arc<JobTally>,
}

/// How far a runner has come.
pub(super) struct Stage {
    pub(super) job: JobId,
    pub(super) stage: RunnerStage,
}

impl Figures {
    /// Everything as it is now. What the database does not tell is left out: that it does not answer is a number, too.
    pub(super) async fn gather(state: &ApiState) -> Self {
        let sources = &state.metrics;
        let stored = sources.stored.get().await;
        let stored = stored
            .inspect_err(|error| tracing::warn!(%error, "metrics are without the numbers of the database"))
            .ok();
        let tree = &state.tree;
        let (mut restarts, mut failures) = (Counts::new(), tree.actor_failures());
        count_restarts(&tree.snapshot().await, &mut restarts);
        for kind in restarts.keys() {
            failures.entry(kind).or_default();
        }
        let jobs = tree.tallies().jobs().into_iter();
        let mut jobs: Vec<_> = jobs.map(|(id, name, tally)| Job { id, name, tally }).collect();
        jobs.sort_by(|one, two| one.name.cmp(&two.name));
        let mut brokers = tree.mqtt_gauges();
        let mqtt = jobs.iter();
        let mqtt = mqtt.filter_map(|job| Some((Arc::clone(&job.name), brokers.remove(&job.id)?)));
        let runners = tree.runners(None).into_iter();
        Self {
            stored,
            pool: state.database.gauge(),
            mqtt: mqtt.collect(),
            jobs,
            lanes: tree.lanes(),
            stages: runners
                .map(|runner| Stage {
                    job: runner.job_id,
                    stage: runner.stage,
                })
                .collect(),
            restarts,
            failures,
            lags: tree.arbiter_lags(),
            logs: tree.log_gauge(),
            records: tree.record_gauge(),
            rollups: sources.waiting.clone(),
            desk: tree.deliveries(),
            gateway: sources.gateway.read(),
            process: process::figures(),
            started: sources.started,
            backups: state.backups.gauge(),
        }
    }

    /// Runners by how far they have come.
    pub(super) fn runners(&self) -> Counts {
        let stages = RunnerStage::ALL.map(|stage| {
            let there = self.stages.iter().filter(|one| one.stage == stage);
            (stage.name(), there.count() as u64)
        });
        stages.into()
    }

    /// Invocations by how they ended.
    pub(super) fn invocations(&self) -> Counts {
        let endings = Ending::ALL.map(|ending| {
            let of_jobs = self.jobs.iter().flat_map(|job| job.tally.by_trigger());
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
