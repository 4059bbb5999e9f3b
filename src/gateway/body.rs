//! The body of an answer on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::Stream;
use jobber_actors::invocation::{BodyError, BodyReceiver};

use super::exchange::Exchange;
use super::upload::Upload;

/// An answer's body. What must live until the answer was written lives in it.
pub(crate) struct AnswerBody {
    content: Content,
    size: BodySize,
    /// What of the request's body is still coming in while the answer goes out.
    upload: Option<Upload>,
    exchange: Exchange,
}

enum Content {
    /// Nothing is written, whatever the size says: the answer to HEAD, and statuses that have no body.
    Nothing,
    Whole(Bytes),
    Stream(BodyReceiver),
}

impl AnswerBody {
    pub(crate) fn nothing(size: BodySize, exchange: Exchange) -> Self {
        Self {
            content: Content::Nothing,
            size,
            upload: None,
            exchange,
        }
    }

    pub(crate) fn whole(bytes: Bytes, exchange: Exchange) -> Self {
        let size = BodySize::Sized(bytes.len() as u64);
        Self {
            content: Content::Whole(bytes),
            size,
            upload: None,
            exchange,
        }
    }

    /// `upload` goes on for as long as the answer does.
    pub(crate) fn stream(
        receiver: BodyReceiver,
        size: BodySize,
        upload: Option<Upload>,
        exchange: Exchange,
    ) -> Self {
        Self {
            content: Content::Stream(receiver),
            size,
            upload,
            exchange,
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>) {
        if let Some(upload) = &mut self.upload
            && upload.poll_pump(cx).is_ready()
        {
            // An error was told to the function; it decides how its answer goes on.
            self.end_upload();
        }
    }

    fn end_upload(&mut self) {
        if let Some(payload) = self.upload.take().and_then(Upload::into_leftover) {
            self.exchange.keep(payload);
        }
    }
}

impl MessageBody for AnswerBody {
    type Error = BodyError;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let this = &mut *self;
        this.poll_upload(cx);
        match &mut this.content {
            Content::Nothing => Poll::Ready(None),
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
            Content::Stream(receiver) => Pin::new(receiver).poll_next(cx),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.end_upload();
    }
}
