//! The HTTP servers that the Gateway and Admin actors own.

use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::sync::watch;

/// Why a server ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HttpServerError(pub String);

/// An HTTP server whose life an actor owns.
#[async_trait]
pub trait HttpServer: Send + Sync + 'static {
    /// Where it listens (with the port that was really taken).
    fn address(&self) -> SocketAddr;

    /// Serves until `stop` turns true, then finishes what is under way up to its own deadline. May be called again
    /// after it ended: the actor restarts it on the same socket.
    ///
    /// # Errors
    /// [`HttpServerError`] when it ends without having been asked to.
    async fn serve(&self, stop: watch::Receiver<bool>) -> Result<(), HttpServerError>;
}
