//! What can be seen of the tree, without asking or changing anything in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jobber_kernel::TreeNode;

use super::handle::TreeHandle;
use crate::action::LaneGauge;
use crate::delivery::DeskGauge;
use crate::domain::{JobId, TriggerId};
use crate::job::Serving;
use crate::metrics::TallyBoard;
use crate::mqtt::MqttGauge;
pub use crate::runner_manager::RunnerStatus as RunnerView;
use crate::scheduler::ScheduleStatus;
use crate::sink::RingGauge;
use crate::trigger::{TriggerSort, TriggerStatus};

/// How full a lane is that serves a job.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub name: Arc<str>,
    /// How full the lane is.
    pub gauge: LaneGauge,
    /// Whether the last runner that it asked for could not be had.
    pub troubled: bool,
}

impl TreeHandle {
    /// Every actor with its state, restarts and last failure.
    pub async fn snapshot(&self) -> TreeNode {
        self.tree.snapshot().await
    }

    /// How it stands with a trigger of this kind.
    #[must_use]
    pub fn trigger_status(&self, trigger: TriggerId, kind: TriggerSort) -> TriggerStatus {
        match kind {
            TriggerSort::Http => TriggerStatus::of_http(self.around.routes.serves_trigger(trigger)),
            TriggerSort::Schedule => {
                let status = self.around.schedules.status(trigger);
                let trouble = status.and_then(|_| self.around.schedules.trouble());
                TriggerStatus::of_schedule(status, trouble, self.around.settings.clock.now())
            }
            TriggerSort::Mqtt => TriggerStatus::of_mqtt(self.around.mqtt.status(trigger).as_ref()),
        }
    }

    /// How full the desk of deliveries is.
    #[must_use]
    pub fn deliveries(&self) -> DeskGauge {
        self.around.desk.gauge()
    }

    /// The supervision tree as it is known without asking the actors.
    #[must_use]
    pub fn peek(&self) -> TreeNode {
        self.tree.peek()
    }

    /// The next instants of the schedules that run.
    #[must_use]
    pub fn schedules(&self) -> Vec<(JobId, TriggerId, ScheduleStatus)> {
        self.around.schedules.running()
    }

    /// Why schedules do not run now, and since when; `None` if they do.
    #[must_use]
    pub fn schedule_trouble(&self) -> Option<(DateTime<Utc>, String)> {
        self.around.schedules.trouble()
    }

    /// How full the log's ring is.
    #[must_use]
    pub fn log_gauge(&self) -> RingGauge {
        self.around.logs.gauge()
    }

    /// Why the last log lines could not be kept; nothing if they could.
    #[must_use]
    pub fn log_store_trouble(&self) -> Option<String> {
        self.around.log_trouble.get()
    }

    /// How many of the jobs that serve could not have the last runner that they asked for.
    #[must_use]
    pub fn jobs_without_runners(&self) -> usize {
        let serving = self.around.serving.all().into_iter();
        serving
            .filter(|(_, serving)| serving.action.lane().is_troubled())
            .count()
    }

    /// How full the ledger's ring is, if anything is recorded.
    #[must_use]
    pub fn record_gauge(&self) -> Option<RingGauge> {
        self.around.records.as_ref().map(|records| records.gauge())
    }

    /// What the jobs' invocations came to since this server started.
    #[must_use]
    pub fn tallies(&self) -> &TallyBoard {
        &self.around.tallies
    }

    /// The lanes that serve jobs.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneView> {
        let serving = self.around.serving.all().into_iter();
        let view = |(job, serving): (JobId, Serving)| LaneView {
            job,
            name: Arc::clone(&serving.job_name),
            gauge: serving.action.gauge(),
            troubled: serving.action.lane().is_troubled(),
        };
        serving.map(view).collect()
    }

    /// How late timers have been on each arbiter, in the last quarter of a minute or a little longer.
    #[must_use]
    pub fn arbiter_lags(&self) -> Vec<(Arc<str>, Duration)> {
        self.around.pulses.lags()
    }

    /// How often actors of each kind have failed since the server's start.
    #[must_use]
    pub fn actor_failures(&self) -> BTreeMap<&'static str, u64> {
        self.tree.failures()
    }

    /// How it stands with each job's connections to brokers.
    #[must_use]
    pub fn mqtt_gauges(&self) -> HashMap<JobId, MqttGauge> {
        self.around.mqtt.gauges()
    }

    /// The runners, of one job or of all.
    #[must_use]
    pub fn runners(&self, job: Option<JobId>) -> Vec<RunnerView> {
        let mut runners = self.around.registry.statuses();
        runners.retain(|runner| job.is_none_or(|job| runner.job_id == job));
        runners
    }
}
