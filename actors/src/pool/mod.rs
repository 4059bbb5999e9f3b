//! The warm pool: connected runners that no job has yet.
//!
//! It keeps none today: every runner is started for one action. *Hello* and *assign* are separate steps of the protocol,
//! so a runner may already wait here unassigned; what fills the pool comes with its own change.

use actix::Actor;
use jobber_kernel::{Child, Context};
use serde_json::json;

/// Owns the runners that no job has yet.
#[derive(Debug, Default)]
pub struct Pool;

impl Actor for Pool {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
    }
}

impl Child for Pool {
    const KIND: &'static str = "pool";

    fn observe(&self) -> serde_json::Value {
        json!({ "idle": 0 })
    }
}
