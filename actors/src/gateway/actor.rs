//! The Gateway actor.

use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Handler};
use jobber_kernel::{Child, Context, StopReason};
use serde_json::json;

use super::board::RouteBoard;
use crate::http_server::{ServerEnded, ServerRun};
use crate::ports::HttpServer;
use crate::tree::Surroundings;

/// Owns the HTTP server on which functions answer, and compiles the table of their routes.
pub struct Gateway {
    board: Arc<RouteBoard>,
    around: Arc<Surroundings>,
    server: ServerRun,
}

impl Gateway {
    /// A gateway that does not serve yet.
    #[must_use]
    pub fn new(server: Arc<dyn HttpServer>, around: Arc<Surroundings>) -> Self {
        Self {
            board: Arc::clone(&around.routes),
            around,
            server: ServerRun::new(server),
        }
    }
}

impl Actor for Gateway {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crate::crashable(ctx);
        let board = Arc::clone(&self.board);
        ctx.tasks()
            .spawn_on(&self.around.io, "compile routes", async move {
                loop {
                    // Compiled before the first wait: a former life may have left changes behind.
                    board.compile();
                    board.changed().await;
                }
            });
        let me = ctx.address();
        self.server.start(ctx.tasks(), &self.around.io, me.recipient());
    }
}

impl Child for Gateway {
    const KIND: &'static str = "gateway";

    fn stop_requested(&mut self, _: &StopReason, _: &mut Context<Self>) {
        self.server.stop();
    }

    fn observe(&self) -> serde_json::Value {
        json!({ "address": self.server.address(), "routes": self.board.table().load().len() })
    }
}

impl Handler<ServerEnded> for Gateway {
    type Result = ();

    fn handle(&mut self, ServerEnded(ended): ServerEnded, ctx: &mut Context<Self>) {
        match ended {
            Ok(()) => ctx.stop(),
            Err(error) => ctx.fail(format_args!("the gateway's server ended: {error}")),
        }
    }
}
