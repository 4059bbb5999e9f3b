//! The admin server: the panel and the API on port 3000.

use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Handler};
use jobber_kernel::{Child, Context, StopReason};
use serde_json::json;

use crate::http_server::{ServerEnded, ServerRun};
use crate::ports::HttpServer;
use crate::tree::Surroundings;

/// Owns the HTTP server of the API.
pub struct Admin {
    around: Arc<Surroundings>,
    server: ServerRun,
}

impl Admin {
    /// An admin server that does not serve yet.
    #[must_use]
    pub fn new(server: Arc<dyn HttpServer>, around: Arc<Surroundings>) -> Self {
        Self {
            around,
            server: ServerRun::new(server),
        }
    }
}

impl Actor for Admin {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        self.server
            .start(ctx.tasks(), &self.around.io, ctx.address().recipient());
    }
}

impl Child for Admin {
    const KIND: &'static str = "admin";

    fn stop_requested(&mut self, _: &StopReason, _: &mut Context<Self>) {
        self.server.stop();
    }

    fn observe(&self) -> serde_json::Value {
        json!({ "address": self.server.address() })
    }
}

impl Handler<ServerEnded> for Admin {
    type Result = ();

    fn handle(&mut self, ServerEnded(ended): ServerEnded, ctx: &mut Context<Self>) {
        match ended {
            Ok(()) => ctx.stop(),
            Err(error) => ctx.fail(format_args!("the admin server ended: {error}")),
        }
    }
}
