//! The engine's bounded stream of events.

use std::sync::{Mutex, PoisonError};

use jobber_actors::domain::RunnerId;
use jobber_actors::ports::{EngineEvent, OutputStream, RunnerExit};
use tokio::sync::mpsc;

/// Events that may wait for their reader.
const CAPACITY: usize = 4096;
/// Places that lines leave free, so that an exit never waits behind a flood of them.
const RESERVED_FOR_EXITS: usize = 1024;

/// Where an engine puts its events. Exits wait for a place, lines are refused when the reader is behind.
#[derive(Debug)]
pub(super) struct Outbox {
    sender: mpsc::Sender<EngineEvent>,
    receiver: Mutex<Option<mpsc::Receiver<EngineEvent>>>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }

    /// The events; `None` after the first call.
    pub(super) fn take_receiver(&self) -> Option<mpsc::Receiver<EngineEvent>> {
        self.receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(super) async fn exited(&self, runner: RunnerId, exit: RunnerExit) {
        if self
            .sender
            .send(EngineEvent::Exited { runner, exit })
            .await
            .is_err()
        {
            tracing::debug!(%runner, "a runner ended after the last one who cared");
        }
    }

    /// `false` if there was no room for the line.
    #[must_use]
    pub(super) fn line(&self, runner: RunnerId, stream: OutputStream, line: String) -> bool {
        self.sender.capacity() > RESERVED_FOR_EXITS
            && self
                .sender
                .try_send(EngineEvent::Output { runner, stream, line })
                .is_ok()
    }
}
