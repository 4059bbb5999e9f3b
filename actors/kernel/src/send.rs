//! Sending messages: the only place that uses actix's own unbounded sends.

use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, MailboxError, Message, Recipient};
use thiserror::Error;
use tokio::time::timeout;

/// What a message can be sent to: an [`Addr`], or a [`Recipient`] where the actor's type is not to be known.
pub trait Target<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// Whether the actor has ended for good, so that no message reaches it any more.
    fn is_over(&self) -> bool;

    /// Puts the message into the mailbox; drops it when the actor is over.
    fn deliver(&self, message: M);

    /// Puts the message into the mailbox and waits for its result.
    fn request(&self, message: M) -> impl Future<Output = Result<M::Result, MailboxError>> + Send;
}

impl<A, M> Target<M> for Addr<A>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn is_over(&self) -> bool {
        !self.connected()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's `tell` is what it is banned in favour of"
    )]
    fn deliver(&self, message: M) {
        self.do_send(message);
    }

    fn request(&self, message: M) -> impl Future<Output = Result<M::Result, MailboxError>> + Send {
        self.send(message)
    }
}

impl<M> Target<M> for Recipient<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn is_over(&self) -> bool {
        !self.connected()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's `tell` is what it is banned in favour of"
    )]
    fn deliver(&self, message: M) {
        self.do_send(message);
    }

    fn request(&self, message: M) -> impl Future<Output = Result<M::Result, MailboxError>> + Send {
        self.send(message)
    }
}

/// Sends a message without waiting for its result.
///
/// It is handled in the order of sending, after a restart if need be. It is dropped if its own handler
/// panics, or if the actor is over or ends before its turn. A message whose loss matters carries its reply
/// slot, whose `Drop` answers.
///
/// The mailbox has no limit: a sender that does not hold a permit of some kind must be one that cannot flood.
pub fn tell<M>(target: &impl Target<M>, message: M)
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    target.deliver(message);
}

/// As [`tell`], but gives the message back if the actor is known to be over.
///
/// # Errors
/// The message, if the actor has ended for good.
pub fn try_tell<M>(target: &impl Target<M>, message: M) -> Result<(), M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    if target.is_over() {
        return Err(message);
    }
    target.deliver(message);
    Ok(())
}

/// Why a question got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AskError {
    /// The actor has ended for good.
    #[error("the actor has ended")]
    Over,
    /// The actor crashed while it handled the question, or dropped it.
    #[error("the actor dropped the question")]
    Dropped,
    /// The deadline passed. If the actor has not begun to handle the question it never will.
    #[error("the actor did not answer in time")]
    TimedOut,
}

/// Sends a message and waits for its result, `deadline` long at most.
///
/// Ask down the tree only: two actors that wait for one another wait until the deadline.
///
/// # Errors
/// If there is no answer; see [`AskError`].
pub async fn ask<M>(target: &impl Target<M>, message: M, deadline: Duration) -> Result<M::Result, AskError>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    match timeout(deadline, target.request(message)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) if target.is_over() => Err(AskError::Over),
        Ok(Err(_)) => Err(AskError::Dropped),
        Err(_) => Err(AskError::TimedOut),
    }
}
