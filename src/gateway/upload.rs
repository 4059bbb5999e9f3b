//! A request's body on its way to a function.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use jobber_actors::invocation::{BodyError, BodyReceiver, BodySender, body_channel};
use tokio::time::{Instant, Sleep};

use super::GatewayConfig;

/// After a function stopped reading, this much of its input is still read and thrown away in the hope that it ends and
/// the connection can be used again.
const DISCARD_BYTES: u64 = 256 * 1024;

/// How long a refused request's small body is waited for, for the same reason.
const DISCARD_TIME: Duration = Duration::from_millis(500);

/// Why a body did not arrive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UploadError {
    /// It is larger than the server takes.
    TooLarge,
    /// The client fell silent.
    TimedOut,
    /// The client went away, or what it sent is not a body.
    Broken,
}

/// Reads a body that is known to be small.
pub(crate) async fn read_whole(
    payload: &mut Payload,
    length: usize,
    timeout: Duration,
) -> Result<Bytes, UploadError> {
    let reading = async {
        let mut first = match payload.next().await {
            None => return Ok(Bytes::new()),
            Some(chunk) => chunk.map_err(|_| UploadError::Broken)?,
        };
        // As a rule all of it is one chunk; it is then passed on without a copy.
        let Some(second) = payload.next().await else {
            return Ok(first);
        };
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&second.map_err(|_| UploadError::Broken)?);
        while let Some(chunk) = payload.next().await {
            whole.extend_from_slice(&chunk.map_err(|_| UploadError::Broken)?);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(timeout, reading)
        .await
        .unwrap_or(Err(UploadError::TimedOut))
}

/// Reads a body of unknown length that is to have at most `most` bytes.
pub(crate) async fn read_up_to(
    payload: &mut Payload,
    most: u64,
    timeout: Duration,
) -> Result<Bytes, UploadError> {
    let reading = async {
        let mut whole = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| UploadError::Broken)?;
            if (whole.len() + chunk.len()) as u64 > most {
                return Err(UploadError::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(timeout, reading)
        .await
        .unwrap_or(Err(UploadError::TimedOut))
}

/// Reads and drops a small body that nobody wants. `false` if it did not end.
pub(crate) async fn discard(payload: &mut Payload) -> bool {
    let reading = async { while let Some(Ok(_)) = payload.next().await {} };
    tokio::time::timeout(DISCARD_TIME, reading).await.is_ok()
}

/// Pumps a body from the client to the function at the pace of the slower of both.
pub(crate) struct Upload {
    payload: Payload,
    sender: Option<BodySender>,
    limit: u64,
    received: u64,
    discardable: u64,
    timeout: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The client's body has ended.
    Complete,
    /// It has not, and is not read any further.
    Stopped,
}

impl Upload {
    /// The pump and the end of the pipe that the function reads from.
    pub(crate) fn new(payload: Payload, config: &GatewayConfig) -> (Self, BodyReceiver) {
        let (sender, receiver) = body_channel(config.body_buffer_bytes);
        let upload = Self {
            payload,
            sender: Some(sender),
            limit: config.max_body_bytes,
            received: 0,
            discardable: DISCARD_BYTES,
            timeout: config.body_timeout,
            silence: None,
            state: State::Running,
        };
        (upload, receiver)
    }

    /// Moves what can be moved. Ready when there is nothing left to do.
    pub(crate) fn poll_pump(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        while self.state == State::Running {
            if let Some(sender) = &mut self.sender {
                ready!(sender.poll_room(cx));
            }
            match Pin::new(&mut self.payload).poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => self.take(chunk)?,
                Poll::Ready(Some(Err(_))) => {
                    return Poll::Ready(Err(self.stop(UploadError::Broken, "the client went away")));
                }
                Poll::Ready(None) => {
                    self.state = State::Complete;
                    if let Some(sender) = self.sender.take() {
                        sender.finish();
                    }
                }
                Poll::Pending => {
                    ready!(self.poll_silence(cx));
                    return Poll::Ready(Err(self.stop(UploadError::TimedOut, "the client fell silent")));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take(&mut self, chunk: Bytes) -> Result<(), UploadError> {
        self.silence = None;
        self.received += chunk.len() as u64;
        if self.received > self.limit {
            return Err(self.stop(UploadError::TooLarge, "the body is too large"));
        }
        let length = chunk.len() as u64;
        match &mut self.sender {
            Some(sender) => {
                if !sender.push(chunk) {
                    self.sender = None;
                }
            }
            None if length > self.discardable => self.state = State::Stopped,
            None => self.discardable -= length,
        }
        Ok(())
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        silence.as_mut().poll(cx)
    }

    fn stop(&mut self, error: UploadError, reason: &str) -> UploadError {
        self.state = State::Stopped;
        if let Some(sender) = self.sender.take() {
            sender.fail(BodyError::CutShort(reason.into()));
        }
        error
    }

    /// Ends the function's side. Gives back the payload if the client has not sent all of it.
    pub(crate) fn into_leftover(self) -> Option<Payload> {
        (self.state != State::Complete).then_some(self.payload)
    }
}

#[cfg(test)]
mod tests {
    use actix_http::BoxedPayloadStream;
    use actix_http::error::PayloadError;
    use futures_util::stream;

    use super::*;

    fn payload(chunks: Vec<Result<Bytes, PayloadError>>) -> Payload {
        Payload::Stream {
            payload: Box::pin(stream::iter(chunks)),
        }
    }

    fn chunk(size: usize) -> Result<Bytes, PayloadError> {
        Ok(vec![b'x'; size].into())
    }

    fn config() -> GatewayConfig {
        GatewayConfig {
            max_body_bytes: 10,
            body_buffer_bytes: 4,
            ..GatewayConfig::default()
        }
    }

    async fn pump(upload: &mut Upload) -> Result<(), UploadError> {
        std::future::poll_fn(|cx| upload.poll_pump(cx)).await
    }

    #[tokio::test]
    async fn what_the_client_sends_is_what_the_function_reads() {
        let (mut upload, mut receiver) = Upload::new(payload(vec![chunk(3), chunk(4), chunk(3)]), &config());
        let read = async {
            let mut bytes = 0;
            while let Some(chunk) = receiver.next().await {
                bytes += chunk.expect("whole").len();
            }
            bytes
        };
        let (pumped, bytes) = tokio::join!(pump(&mut upload), read);
        assert_eq!((pumped, bytes), (Ok(()), 10));
        assert!(upload.into_leftover().is_none());
    }

    #[tokio::test]
    async fn a_function_that_does_not_read_stops_the_client() {
        let (mut upload, _receiver) = Upload::new(payload(vec![chunk(4), chunk(4)]), &config());
        let waits = std::future::poll_fn(|cx| Poll::Ready(upload.poll_pump(cx).is_pending())).await;
        assert!(waits);
        assert_eq!(upload.received, 4);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_cut() {
        let (mut upload, mut receiver) = Upload::new(payload(vec![chunk(3), chunk(8)]), &config());
        assert_eq!(pump(&mut upload).await, Err(UploadError::TooLarge));
        assert!(matches!(receiver.next().await, Some(Ok(_))));
        assert!(matches!(receiver.next().await, Some(Err(BodyError::CutShort(_)))));
        assert!(upload.into_leftover().is_some());
    }

    #[tokio::test]
    async fn a_function_that_stopped_reading_does_not_stop_a_short_upload() {
        let (mut upload, receiver) = Upload::new(payload(vec![chunk(3), chunk(3), chunk(3)]), &config());
        drop(receiver);
        assert_eq!(pump(&mut upload).await, Ok(()));
        assert!(upload.into_leftover().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_given_up() {
        let silent = || Payload::Stream {
            payload: Box::pin(stream::pending()) as BoxedPayloadStream,
        };
        let (mut upload, _receiver) = Upload::new(silent(), &config());
        assert_eq!(pump(&mut upload).await, Err(UploadError::TimedOut));
        let whole = read_whole(&mut silent(), 10, Duration::from_secs(30)).await;
        assert_eq!(whole, Err(UploadError::TimedOut));
    }
}
