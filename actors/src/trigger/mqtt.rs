//! An MQTT trigger: it publishes what it wants of which broker.

use std::sync::Arc;

use actix::Actor;
use arc_swap::ArcSwap;
use jobber_kernel::{Child, Context};
use serde_json::json;

use crate::mqtt::{MqttBoard, MqttSeed};

/// Publishes the wish of one trigger for as long as the trigger is there. As an HTTP trigger's route, it stays published while the
/// actor restarts.
pub struct MqttTrigger {
    seed: Arc<ArcSwap<MqttSeed>>,
    board: Arc<MqttBoard>,
}

impl MqttTrigger {
    /// A trigger of what `seed` holds, now and whenever the actor is started again.
    #[must_use]
    pub fn new(seed: Arc<ArcSwap<MqttSeed>>, board: Arc<MqttBoard>) -> Self {
        Self { seed, board }
    }
}

impl Actor for MqttTrigger {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.board.publish(MqttSeed::clone(&self.seed.load()));
    }
}

impl Child for MqttTrigger {
    const KIND: &'static str = "mqtt-trigger";

    fn observe(&self) -> serde_json::Value {
        let seed = self.seed.load();
        json!({
            "id": seed.trigger.id,
            "name": seed.trigger.name,
            "topics": seed.topics,
            "qos": seed.qos,
            "broker": seed.connection.as_ref().map(|connection| connection.broker.to_string()).ok(),
        })
    }
}
