//! A schedule trigger: it publishes a schedule.

use std::sync::Arc;

use actix::Actor;
use arc_swap::ArcSwap;
use jobber_kernel::{Child, Context};
use serde_json::json;

use crate::scheduler::{ScheduleBoard, ScheduleSeed};

/// Publishes the schedule of one trigger for as long as the trigger is there. As an HTTP trigger's route, it stays published
/// while the actor restarts.
pub struct ScheduleTrigger {
    seed: Arc<ArcSwap<ScheduleSeed>>,
    board: Arc<ScheduleBoard>,
}

impl ScheduleTrigger {
    /// A trigger of what `seed` holds, now and whenever the actor is started again.
    #[must_use]
    pub fn new(seed: Arc<ArcSwap<ScheduleSeed>>, board: Arc<ScheduleBoard>) -> Self {
        Self { seed, board }
    }
}

impl Actor for ScheduleTrigger {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.board.publish(ScheduleSeed::clone(&self.seed.load()));
    }
}

impl Child for ScheduleTrigger {
    const KIND: &'static str = "schedule-trigger";

    fn observe(&self) -> serde_json::Value {
        let seed = self.seed.load();
        json!({
            "id": seed.trigger.id,
            "name": seed.trigger.name,
            "cron": seed.config.cron.as_str(),
            "timezone": seed.config.timezone.name(),
            "next": self.board.status(seed.trigger.id).and_then(|status| status.next),
        })
    }
}
