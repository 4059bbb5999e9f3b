//! The wish that the program end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// `SIGINT` (Ctrl-C) and `SIGTERM`.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them. Safe to cancel.
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Ends in good order, unless a second signal asks for an end at once.
    pub(super) async fn or_again(&mut self, ending: impl Future<Output = ()>) {
        tokio::select! {
            () = ending => {}
            () = self.received() => {
                tracing::warn!("asked again to end: leaving now; the next start clears up what is left");
            }
        }
    }
}
