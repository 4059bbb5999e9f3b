//! Bodies that stream. A pipe holds a bounded number of bytes; its reader's pace is its writer's pace.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;

/// Chunks up to this size are merged with the one before, so that many small writes do not cost a queue entry each.
const MERGE_BELOW: usize = 4 * 1024;

/// A handler's input.
#[derive(Debug)]
pub enum InputBody {
    /// All of it; possibly empty.
    Whole(Bytes),
    /// As it comes.
    Stream(BodyReceiver),
}

/// A handler's answer.
#[derive(Debug)]
pub enum OutputBody {
    /// All of it; possibly empty.
    Whole(Bytes),
    /// As it comes.
    Stream(BodyReceiver),
}

/// Why a body ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The writer went away.
    #[error("the body was cut short: {0}")]
    CutShort(String),
}

type Taken = Box<dyn Fn(usize) + Send + Sync>;
type Abandoned = Box<dyn FnOnce() + Send + Sync>;

struct Pipe {
    chunks: VecDeque<Bytes>,
    buffered: usize,
    capacity: usize,
    ended: Option<Result<(), BodyError>>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }

    fn push(&mut self, chunk: Bytes) {
        self.buffered += chunk.len();
        match self.chunks.back_mut() {
            Some(last) if last.len() + chunk.len() <= MERGE_BELOW => {
                let mut merged = BytesMut::with_capacity(MERGE_BELOW);
                merged.extend_from_slice(last);
                merged.extend_from_slice(&chunk);
                *last = merged.freeze();
            }
            _ => self.chunks.push_back(chunk),
        }
        self.wake_reader();
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    // No code that can panic runs under the lock; a poisoned one still holds a whole state.
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The writing end of a body. Dropping it without [`BodySender::finish`] cuts the body short.
pub struct BodySender {
    pipe: Arc<Mutex<Pipe>>,
}

/// The reading end of a body: a stream of chunks.
pub struct BodyReceiver {
    pipe: Arc<Mutex<Pipe>>,
    taken: Option<Taken>,
    abandoned: Option<Abandoned>,
}

/// A pipe that holds up to `capacity` bytes before [`BodySender::send`] waits.
#[must_use]
pub fn body_channel(capacity: usize) -> (BodySender, BodyReceiver) {
    let pipe = Arc::new(Mutex::new(Pipe {
        chunks: VecDeque::new(),
        buffered: 0,
        capacity,
        ended: None,
        reader_gone: false,
        reader: None,
        writer: None,
    }));
    (
        BodySender {
            pipe: Arc::clone(&pipe),
        },
        BodyReceiver {
            pipe,
            taken: None,
            abandoned: None,
        },
    )
}

impl BodySender {
    /// Adds a chunk when there is room. `false` when nobody reads any more.
    pub async fn send(&mut self, chunk: Bytes) -> bool {
        std::future::poll_fn(|cx| self.poll_room(cx)).await;
        self.push(chunk)
    }

    /// Ready when the pipe has room, or when nobody reads any more.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut pipe = lock(&self.pipe);
        if pipe.buffered < pipe.capacity || pipe.reader_gone {
            return Poll::Ready(());
        }
        pipe.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Adds a chunk without waiting, for a writer whose bytes are bounded by credit. `false` when nobody reads any more.
    pub fn push(&mut self, chunk: Bytes) -> bool {
        let mut pipe = lock(&self.pipe);
        if pipe.reader_gone {
            return false;
        }
        if !chunk.is_empty() {
            pipe.push(chunk);
        }
        true
    }

    /// Bytes that wait to be read.
    #[must_use]
    pub fn buffered(&self) -> usize {
        lock(&self.pipe).buffered
    }

    /// The body is complete.
    pub fn finish(self) {
        self.end(Ok(()));
    }

    /// The body will not be complete.
    pub fn fail(self, error: BodyError) {
        self.end(Err(error));
    }

    fn end(&self, how: Result<(), BodyError>) {
        let mut pipe = lock(&self.pipe);
        if pipe.ended.is_none() {
            pipe.ended = Some(how);
            pipe.wake_reader();
        }
    }
}

impl Drop for BodySender {
    fn drop(&mut self) {
        self.end(Err(BodyError::CutShort("its sender went away".into())));
    }
}

impl BodyReceiver {
    /// Calls `taken` with the size of every chunk that the reader took: where credit is granted.
    #[must_use]
    pub fn on_taken(mut self, taken: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.taken = Some(Box::new(taken));
        self
    }

    /// Calls `abandoned` if the reader goes away before the body's end.
    #[must_use]
    pub fn on_abandoned(mut self, abandoned: impl FnOnce() + Send + Sync + 'static) -> Self {
        self.abandoned = Some(Box::new(abandoned));
        self
    }

    /// The next chunk; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut pipe = lock(&self.pipe);
        if let Some(chunk) = pipe.chunks.pop_front() {
            pipe.buffered -= chunk.len();
            pipe.wake_writer();
            drop(pipe);
            if let Some(taken) = &self.taken {
                taken(chunk.len());
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match pipe.ended.clone() {
            Some(how) => {
                pipe.ended = Some(Ok(()));
                drop(pipe);
                self.abandoned = None;
                Poll::Ready(how.err().map(Err))
            }
            None => {
                pipe.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Stream for BodyReceiver {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_chunk(cx)
    }
}

impl Drop for BodyReceiver {
    fn drop(&mut self) {
        let mut pipe = lock(&self.pipe);
        pipe.reader_gone = true;
        pipe.chunks.clear();
        let unfinished = pipe.ended.is_none();
        pipe.wake_writer();
        drop(pipe);
        if let (true, Some(abandoned)) = (unfinished, self.abandoned.take()) {
            abandoned();
        }
    }
}

impl std::fmt::Debug for BodyReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyReceiver").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BodySender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodySender").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_slows_the_writer() {
        let (mut sender, mut receiver) = body_channel(4);
        assert!(sender.send(Bytes::from_static(b"1234")).await);
        let waits = std::future::poll_fn(|cx| Poll::Ready(sender.poll_room(cx).is_pending())).await;
        assert!(waits, "the pipe is full");
        assert_eq!(receiver.next().await, Some(Ok(Bytes::from_static(b"1234"))));
        assert!(sender.send(Bytes::from_static(b"5")).await);
        sender.finish();
        assert_eq!(receiver.next().await, Some(Ok(Bytes::from_static(b"5"))));
        assert_eq!(receiver.next().await, None);
    }

    #[tokio::test]
    async fn a_lost_writer_is_an_error_and_then_the_end() {
        let (mut sender, mut receiver) = body_channel(10);
        sender.push(Bytes::from_static(b"half"));
        drop(sender);
        assert_eq!(receiver.next().await, Some(Ok(Bytes::from_static(b"half"))));
        assert!(matches!(receiver.next().await, Some(Err(BodyError::CutShort(_)))));
        assert_eq!(receiver.next().await, None);
    }

    #[tokio::test]
    async fn credit_is_granted_for_what_was_read_and_an_abandoned_body_is_told_once() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let taken = Arc::new(AtomicUsize::new(0));
        let abandoned = Arc::new(AtomicUsize::new(0));
        let (mut sender, receiver) = body_channel(10);
        let (in_taken, in_abandoned) = (Arc::clone(&taken), Arc::clone(&abandoned));
        let mut receiver = receiver
            .on_taken(move |bytes| {
                in_taken.fetch_add(bytes, Ordering::SeqCst);
            })
            .on_abandoned(move || {
                in_abandoned.fetch_add(1, Ordering::SeqCst);
            });
        sender.push(Bytes::from_static(b"abc"));
        assert_eq!(taken.load(Ordering::SeqCst), 0);
        receiver.next().await;
        assert_eq!(taken.load(Ordering::SeqCst), 3);
        drop(receiver);
        assert_eq!(abandoned.load(Ordering::SeqCst), 1);
        assert!(!sender.push(Bytes::from_static(b"nobody")));
    }
}
