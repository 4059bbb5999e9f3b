//! The Pulse actor.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext};
use jobber_kernel::{Child, Context};
use serde_json::json;
use tokio::time::Instant;

use super::board::PulseBoard;

/// How often a timer is set: often enough to notice what keeps callers waiting, and too seldom to cost anything.
const EVERY: Duration = Duration::from_millis(250);

/// Sets a timer on its arbiter again and again, and puts down how late it comes.
pub(crate) struct Pulse {
    arbiter: Arc<str>,
    board: Arc<PulseBoard>,
}

impl Pulse {
    /// The pulse of an arbiter, by the name that metrics have for it.
    pub(crate) fn new(arbiter: Arc<str>, board: Arc<PulseBoard>) -> Self {
        Self { arbiter, board }
    }

    fn beat(&self, ctx: &mut Context<Self>) {
        let due = Instant::now() + EVERY;
        self.board.note(&self.arbiter, |lag| lag.set(due));
        ctx.run_later(EVERY, |pulse, ctx| {
            pulse.board.note(&pulse.arbiter, |lag| lag.came(Instant::now()));
            pulse.beat(ctx);
        });
    }
}

impl Actor for Pulse {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.beat(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.board.note(&self.arbiter, |lag| lag.cleared());
    }
}

impl Child for Pulse {
    const KIND: &'static str = "pulse";

    fn observe(&self) -> serde_json::Value {
        json!({ "arbiter": self.arbiter })
    }
}
