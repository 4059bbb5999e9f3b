//! An HTTP trigger: it publishes a route.

use std::sync::Arc;

use actix::Actor;
use arc_swap::ArcSwap;
use jobber_kernel::{Child, Context};
use serde_json::json;

use crate::gateway::{RouteBoard, RouteTarget};
use crate::routing::RoutePattern;

/// What an HTTP trigger publishes.
#[derive(Clone, Debug)]
pub struct HttpTriggerSeed {
    /// Which requests.
    pub pattern: RoutePattern,
    /// Who answers them.
    pub target: RouteTarget,
}

/// Publishes the route of one trigger for as long as the trigger is there.
///
/// The route stays published while the actor restarts. The job takes it away, and then stops the actor: it alone knows
/// whether the route is to go, or only this actor.
pub struct HttpTrigger {
    seed: Arc<ArcSwap<HttpTriggerSeed>>,
    board: Arc<RouteBoard>,
}

impl HttpTrigger {
    /// A trigger of what `seed` holds, now and whenever the actor is started again.
    #[must_use]
    pub fn new(seed: Arc<ArcSwap<HttpTriggerSeed>>, board: Arc<RouteBoard>) -> Self {
        Self { seed, board }
    }

    fn publish(&self) {
        let seed = self.seed.load();
        self.board.publish(seed.pattern.clone(), seed.target.clone());
    }
}

impl Actor for HttpTrigger {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.publish();
    }
}

impl Child for HttpTrigger {
    const KIND: &'static str = "http-trigger";

    fn observe(&self) -> serde_json::Value {
        let seed = self.seed.load();
        json!({
            "id": seed.target.trigger.id,
            "name": seed.target.trigger.name,
            "hostname": seed.pattern.host.as_ref().map(|host| host.as_str()),
            "method": seed.pattern.method.as_ref().map(|method| method.as_str()),
            "path": seed.pattern.path.as_ref().map(|path| path.as_str()),
        })
    }
}
