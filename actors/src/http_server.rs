//! What the Gateway and the Admin actor have in common: the run of an HTTP server.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::{Message, Recipient};
use jobber_kernel::{Tasks, tell};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::ports::{HttpServer, HttpServerError};

/// The server has ended.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub(crate) struct ServerEnded(pub(crate) Result<(), HttpServerError>);

/// One run of a server.
pub(crate) struct ServerRun {
    server: Arc<dyn HttpServer>,
    stop: watch::Sender<bool>,
}

impl ServerRun {
    pub(crate) fn new(server: Arc<dyn HttpServer>) -> Self {
        Self {
            server,
            stop: watch::Sender::new(false),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Serves in a task, and tells `owner` when that ends.
    pub(crate) fn start(&self, tasks: &Tasks, io: &Handle, owner: Recipient<ServerEnded>) {
        let (server, stop) = (Arc::clone(&self.server), self.stop.subscribe());
        tasks.spawn_on(io, "serve", async move {
            let ended = server.serve(stop).await;
            tell(&owner, ServerEnded(ended));
        });
    }

    /// Asks the server to finish what is under way and end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}
