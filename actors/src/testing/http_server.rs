//! A server that serves nobody.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use crate::ports::{HttpServer, HttpServerError};

/// An HTTP server that only counts how often it was started.
#[derive(Debug, Default)]
pub struct FakeHttpServer {
    runs: AtomicU32,
    broken: Notify,
}

impl FakeHttpServer {
    /// How often it was started.
    #[must_use]
    pub fn runs(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    /// Ends the present run with an error.
    pub fn fail(&self) {
        self.broken.notify_one();
    }
}

#[async_trait]
impl HttpServer for FakeHttpServer {
    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    async fn serve(&self, mut stop: watch::Receiver<bool>) -> Result<(), HttpServerError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => Ok(()),
            () = self.broken.notified() => Err(HttpServerError("a test ended it".into())),
        }
    }
}
