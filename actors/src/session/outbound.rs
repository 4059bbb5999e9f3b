//! What waits to be written to a runner. Frames are appended to blocks of memory and leave them many at a time.

use std::collections::VecDeque;
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
/// A block with so much in it takes no further frame. Blocks instead of one buffer: that one would be copied to another place
/// again and again as it grows, and a large one be fetched from the system and given back for every burst of messages.
const BLOCK_BYTES: usize = 64 * 1024;
/// A block is made for so much, so that a frame of usual size at its end does not move it.
const BLOCK_CAPACITY: usize = BLOCK_BYTES + 4 * 1024;
/// A block that grew beyond this, for one large frame, is given back to the allocator after it was written.
const KEEP_BLOCK_BYTES: usize = 2 * BLOCK_CAPACITY;
/// Blocks that are kept for what comes next.
const KEEP_BLOCKS: usize = 3;

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
    /// In order.
    full: VecDeque<BytesMut>,
    /// The one that frames are appended to.
    open: BytesMut,
    /// Empty ones.
    spare: Vec<BytesMut>,
    /// In all of them.
    bytes: usize,
    closed: bool,
}

impl Buffer {
    /// Appends what `write` does.
    fn append(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), FrameError>,
    ) -> Result<(), FrameError> {
        if self.open.len() >= BLOCK_BYTES {
            let next = self
                .spare
                .pop()
                .unwrap_or_else(|| BytesMut::with_capacity(BLOCK_CAPACITY));
            self.full.push_back(std::mem::replace(&mut self.open, next));
        }
        let before = self.open.len();
        let written = write(&mut self.open);
        self.bytes += self.open.len() - before;
        written
    }

    /// The oldest block with something in it; `written` is one that was taken before.
    fn take(&mut self, mut written: BytesMut) -> Option<BytesMut> {
        written.clear();
        if self.spare.len() < KEEP_BLOCKS && (1..=KEEP_BLOCK_BYTES).contains(&written.capacity()) {
            self.spare.push(written);
        }
        let block = match self.full.pop_front() {
            Some(block) => block,
            None if self.open.is_empty() => return None,
            None => std::mem::replace(&mut self.open, self.spare.pop().unwrap_or_default()),
        };
        self.bytes -= block.len();
        Some(block)
    }
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
        let was_empty = buffer.bytes == 0;
        buffer.append(write)?;
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
                if buffer.bytes < HIGH_WATER_BYTES {
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
        self.lock().bytes
    }

    /// Whether so much waits to be written that nothing should be added that can be left out.
    pub(super) fn is_full(&self) -> bool {
        self.lock().bytes >= HIGH_WATER_BYTES
    }

    /// Writes until the outbound is closed and empty, or the peer is gone.
    pub(super) async fn write_to(&self, mut peer: impl AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut block = BytesMut::new();
        loop {
            let (taken, closed) = {
                let mut buffer = self.lock();
                (buffer.take(block), buffer.closed)
            };
            let Some(taken) = taken else {
                if closed {
                    return peer.shutdown().await;
                }
                self.filled.notified().await;
                block = BytesMut::new();
                continue;
            };
            block = taken;
            self.emptied.notify_waiters();
            peer.write_all(&block).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_BYTES: usize = 1_000;

    fn filled(outbound: &Outbound, frames: usize) {
        for frame in 0..frames {
            let byte = u8::try_from(frame % 251).expect("below 251");
            let frame = |out: &mut BytesMut| {
                out.extend_from_slice(&[byte; FRAME_BYTES]);
                Ok(())
            };
            outbound.append(frame).expect("it is open");
        }
    }

    #[tokio::test]
    async fn a_burst_arrives_in_order_and_little_memory_is_kept_after_it() {
        let outbound = Outbound::default();
        let mut written = Vec::new();
        filled(&outbound, 1_000);
        assert_eq!(outbound.waiting_bytes(), 1_000 * FRAME_BYTES);
        outbound.close();
        outbound.write_to(&mut written).await.expect("a Vec takes all");
        assert_eq!(outbound.waiting_bytes(), 0);
        assert_eq!(written.len(), 1_000 * FRAME_BYTES);
        let mut frames = written.chunks(FRAME_BYTES).enumerate();
        assert!(frames.all(|(at, frame)| frame.iter().all(|byte| usize::from(*byte) == at % 251)));
        let buffer = outbound.lock();
        let kept = buffer.spare.iter().map(BytesMut::capacity).sum::<usize>() + buffer.open.capacity();
        assert!(
            kept <= (KEEP_BLOCKS + 1) * KEEP_BLOCK_BYTES,
            "{kept} bytes are kept"
        );
    }

    #[test]
    fn small_frames_do_not_move_a_block() {
        let mut buffer = Buffer {
            open: BytesMut::with_capacity(BLOCK_CAPACITY),
            ..Buffer::default()
        };
        for _ in 0..1_000 {
            let frame = |out: &mut BytesMut| {
                out.extend_from_slice(&[0; FRAME_BYTES]);
                Ok(())
            };
            buffer.append(frame).expect("it always fits");
        }
        assert!(buffer.full.len() > 10);
        assert!(buffer.full.iter().all(|block| block.capacity() == BLOCK_CAPACITY));
    }
}
