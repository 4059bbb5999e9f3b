//! What waits to be written to a runner. Frames are appended to one buffer and leave it many at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::protocol::{Flags, FrameError, FrameKind, write_frame};

/// Writers of bodies wait while more than this waits to be written. Other frames are bounded by the number of
/// streams and are never delayed.
const HIGH_WATER_BYTES: usize = 512 * 1024;
/// A buffer that grew beyond this is given back to the allocator after it was written.
const KEEP_BUFFER_BYTES: usize = 256 * 1024;

/// The session is over; nothing can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct SessionClosed;

/// Why a frame was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Closed(#[from] SessionClosed),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: BytesMut,
    closed: bool,
}

/// The outgoing side of a session.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    buffer: Mutex<Buffer>,
    filled: Notify,
    emptied: Notify,
}

impl Outbound {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        // A frame is written whole or taken back; a poisoned buffer holds whole frames.
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a frame.
    pub(super) fn frame<T: Serialize>(
        &self,
        kind: FrameKind,
        flags: Flags,
        stream: u32,
        head: &T,
        body: &[u8],
    ) -> Result<(), WriteError> {
        self.append(|out| write_frame(out, kind, flags, stream, head, body))
    }

    /// Appends what `write` does: whole frames or nothing.
    pub(super) fn append(
        &self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), FrameError>,
    ) -> Result<(), WriteError> {
        let mut buffer = self.lock();
        if buffer.closed {
            return Err(SessionClosed.into());
        }
        let was_empty = buffer.bytes.is_empty();
        write(&mut buffer.bytes)?;
        drop(buffer);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits until a body part may be appended.
    pub(super) async fn room(&self) -> Result<(), SessionClosed> {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Registered before the look, so that an emptying between the two is not missed.
            emptied.as_mut().enable();
            {
                let buffer = self.lock();
                if buffer.closed {
                    return Err(SessionClosed);
                }
                if buffer.bytes.len() < HIGH_WATER_BYTES {
                    return Ok(());
                }
            }
            emptied.await;
        }
    }

    /// Takes no more frames; what is there is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
        self.emptied.notify_waiters();
    }

    /// Resolves when the outbound has been closed for this long.
    pub(super) async fn closed_for(&self, time: Duration) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.lock().closed {
                break;
            }
            emptied.await;
        }
        tokio::time::sleep(time).await;
    }

    /// Bytes that wait to be written.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        self.lock().bytes.len()
    }

    /// Whether so much waits to be written that nothing should be added that can be left out.
    pub(super) fn is_full(&self) -> bool {
        self.lock().bytes.len() >= HIGH_WATER_BYTES
    }

    /// Writes until the outbound is closed and empty, or the peer is gone.
    pub(super) async fn write_to(&self, mut peer: impl AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut spare = BytesMut::new();
        loop {
            let closed = {
                let mut buffer = self.lock();
                std::mem::swap(&mut buffer.bytes, &mut spare);
                buffer.closed
            };
            if spare.is_empty() {
                if closed {
                    return peer.shutdown().await;
                }
                self.filled.notified().await;
                continue;
            }
            self.emptied.notify_waiters();
            peer.write_all(&spare).await?;
            spare.clear();
            if spare.capacity() > KEEP_BUFFER_BYTES {
                spare = BytesMut::new();
            }
        }
    }
}
