//! Sending an invocation's input to its runner, as far as there is credit.

use std::sync::Arc;

use super::credit::{Credit, CreditClosed};
use super::outbound::WriteError;
use super::{Session, SessionClosed};
use crate::invocation::{BodyReceiver, InputBody};
use crate::ledger::Capturing;
use crate::protocol::{CHUNK_BYTES, CancelReason, Empty, Flags, FrameKind};

impl Session {
    /// Sends a body in a task of its own.
    pub(super) fn forward_input(
        &self,
        number: u32,
        body: InputBody,
        credit: Arc<Credit>,
        passing: Option<Capturing>,
    ) {
        let Some(session) = self.me.upgrade() else { return };
        self.context.tasks.spawn_on(&self.context.io, "input body", async move {
            let input = Forwarding {
                number,
                credit: &credit,
                passing,
            };
            let complete = match body {
                InputBody::Whole(bytes) => session.send_part(&input, bytes).await,
                InputBody::Stream(receiver) => session.send_parts(&input, receiver).await,
            };
            match complete {
                Ok(()) => {
                    let end = session.outbound.frame(FrameKind::Data, Flags::END, number, &Empty {}, &[]);
                    if let Err(error) = end {
                        tracing::trace!(runner = %session.runner, %error, "the session ended before the input");
                    }
                }
                Err(InputEnded::CutShort) => session.cancel(number, CancelReason::Client),
                Err(InputEnded::Unwanted) => {}
            }
        });
    }

    async fn send_parts(&self, input: &Forwarding<'_>, mut body: BodyReceiver) -> Result<(), InputEnded> {
        loop {
            // The credit closes when the handler settles or wants no more: then the sender must not wait for input.
            let next = tokio::select! {
                biased;
                () = input.credit.closed() => return Err(InputEnded::Unwanted),
                next = body.next() => next,
            };
            match next {
                None => return Ok(()),
                Some(Ok(bytes)) => self.send_part(input, bytes).await?,
                Some(Err(error)) => {
                    tracing::debug!(runner = %self.runner, %error, "the client's body ended early");
                    return Err(InputEnded::CutShort);
                }
            }
        }
    }

    async fn send_part(&self, input: &Forwarding<'_>, mut bytes: bytes::Bytes) -> Result<(), InputEnded> {
        if let Some(passing) = &input.passing {
            passing.pass(&bytes);
        }
        while !bytes.is_empty() {
            let granted = input.credit.take(bytes.len().min(CHUNK_BYTES) as u64).await?;
            // At most a chunk, so it fits.
            let part = bytes.split_to(usize::try_from(granted).unwrap_or(CHUNK_BYTES));
            self.outbound.room().await?;
            self.outbound
                .frame(FrameKind::Data, Flags::NONE, input.number, &Empty {}, &part)?;
        }
        Ok(())
    }
}

/// A body on its way to a handler.
struct Forwarding<'a> {
    number: u32,
    credit: &'a Credit,
    passing: Option<Capturing>,
}

/// Why an input body was not sent to its end.
enum InputEnded {
    /// The client went away.
    CutShort,
    /// The runner wants no more of it, or is gone.
    Unwanted,
}

impl From<CreditClosed> for InputEnded {
    fn from(_: CreditClosed) -> Self {
        Self::Unwanted
    }
}

impl From<SessionClosed> for InputEnded {
    fn from(_: SessionClosed) -> Self {
        Self::Unwanted
    }
}

impl From<WriteError> for InputEnded {
    fn from(_: WriteError) -> Self {
        Self::Unwanted
    }
}
