//! What a person begins: doing an invocation again, trying a version out with an event that was made up, and publishing a message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::handle::TreeHandle;
use crate::action::ActionHandle;
use crate::domain::{InvocationId, JobId, TriggerId, VersionId};
use crate::invocation::{
    BodyError, ByHand, Input, InputBody, Invocation, Outcome, OutputBody, PendingReply, Refusal,
    ResponseHead, TriggerRef, reply_channel,
};
use crate::job::PrepareError;
use crate::ledger;
use crate::metrics::Ending;
use crate::mqtt::PublishError;
use crate::ports::{InvocationStatus, Publication, RecordedError};
use crate::session::Mask;
use crate::trace::TraceContext;

/// What is to be begun.
#[derive(Debug)]
pub struct Begin {
    /// Whose it is.
    pub job: JobId,
    /// Which of its versions does it; the one that serves unless one is named.
    pub version: Option<VersionId>,
    /// Why.
    pub reason: ByHand,
    /// What the handler is told has started it.
    pub trigger: TriggerRef,
    /// What the trigger says.
    pub input: Input,
    /// The body.
    pub body: Bytes,
    /// How many bytes of the answer's body are kept for whoever waits for it.
    pub answer_bytes: usize,
}

/// Why an invocation is not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// No version of the job serves.
    #[error("no version of the job serves")]
    NotServed,
    /// The version that was named could not be made ready.
    #[error(transparent)]
    NotReady(#[from] PrepareError),
    /// The action takes nothing now.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// An invocation that was begun. It goes on whether anybody waits for its end or not.
#[derive(Debug)]
pub struct Begun {
    /// Its id.
    pub id: InvocationId,
    heard: watch::Receiver<Heard>,
    mask: Arc<Mask>,
}

/// What is known of an invocation's answer and end. Secrets of the job are masked.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The answer, as far as it has come.
    pub answer: Option<HeardAnswer>,
    /// How it ended; nothing while it is under way.
    pub end: Option<HeardEnd>,
}

/// An answer, as far as it has come.
#[derive(Clone, Debug)]
pub struct HeardAnswer {
    /// Status and headers.
    pub head: ResponseHead,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// How many bytes of the body have come.
    pub bytes: u64,
}

/// How an invocation ended.
#[derive(Clone, Debug)]
pub struct HeardEnd {
    /// As the record says it.
    pub status: InvocationStatus,
    /// Why it was no success.
    pub error: Option<RecordedError>,
    /// Where the handler threw, if it did.
    pub stack: Option<String>,
    /// From its admission to its end.
    pub took: Duration,
}

impl Begun {
    /// Waits for the end, at most so long. Gives what is known then.
    pub async fn heard_within(&mut self, most: Duration) -> Heard {
        let ended = self.heard.wait_for(|heard| heard.end.is_some());
        // Neither is an error: what is not over by then goes on, and a server that stops hears nothing more.
        drop(tokio::time::timeout(most, ended).await);
        let heard = self.heard.borrow().clone();
        heard.masked(&self.mask)
    }

    /// Waits for the end. `None` if the server stops before.
    pub async fn end(mut self) -> Option<InvocationStatus> {
        let ended = self.heard.wait_for(|heard| heard.end.is_some()).await;
        ended.ok()?.end.as_ref().map(|end| end.status)
    }
}

impl Heard {
    fn masked(self, mask: &Mask) -> Self {
        Self {
            answer: self.answer.map(|answer| {
                let cut = answer.bytes > answer.body.len() as u64;
                let headers = answer.head.headers.into_iter();
                HeardAnswer {
                    head: ResponseHead {
                        status: answer.head.status,
                        headers: headers.map(|(name, value)| (name, mask.text(value))).collect(),
                    },
                    body: mask.bytes(answer.body.into(), cut).into(),
                    bytes: answer.bytes,
                }
            }),
            end: self.end.map(|end| HeardEnd {
                error: end.error.map(|error| RecordedError {
                    code: error.code,
                    name: error.name.map(|name| mask.text(name)),
                    message: mask.text(error.message),
                }),
                stack: end.stack.map(|stack| mask.text(stack)),
                ..end
            }),
        }
    }
}

impl TreeHandle {
    /// Publishes a message at the broker of this trigger of the version that serves. Resolves when the broker has acknowledged it.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish_message(
        &self,
        job: JobId,
        trigger: TriggerId,
        publication: Publication,
    ) -> Result<(), PublishError> {
        let sent = self.around().mqtt.send_by(job, trigger, publication)?;
        // Dropped unanswered when the connection is given up for good.
        sent.await.unwrap_or(Err(PublishError::Closed))
    }

    /// Begins an invocation that a person has asked for. The record has what becomes of it, with input and output. A version that
    /// does not serve is made ready first, which may take as long as `deadline`.
    ///
    /// # Errors
    /// [`BeginError`]; then nothing was begun.
    pub async fn begin_by_hand(&self, begin: Begin, deadline: Duration) -> Result<Begun, BeginError> {
        let action = match begin.version {
            Some(version) => self.make_ready(begin.job, version, deadline).await?,
            None => {
                let serving = self.around().serving.get(begin.job);
                serving.ok_or(BeginError::NotServed)?.action
            }
        };
        self.begin_on(&action, begin)
    }

    fn begin_on(&self, action: &ActionHandle, begin: Begin) -> Result<Begun, BeginError> {
        let permit = action.admit()?;
        let (mut reply, pending) = reply_channel();
        reply.is_by_hand(begin.reason);
        let id = InvocationId::generate();
        let admitted = Instant::now();
        action.invoke(Invocation {
            id,
            attempt: 1,
            trigger: begin.trigger,
            input: begin.input,
            // A trace of its own: nobody's call is behind it, or one that has had its answer.
            trace: TraceContext::root_of(id),
            body: InputBody::Whole(begin.body),
            admitted,
            reply,
            permit,
        });
        let (tell, heard) = watch::channel(Heard::default());
        let sessions = &self.around().sessions;
        sessions.tasks.spawn_on(&sessions.io, "by hand", async move {
            hear(pending, admitted, begin.answer_bytes, &tell).await;
        });
        Ok(Begun {
            id,
            heard,
            mask: action.mask(),
        })
    }
}

/// Reads an answer to its end, so that the record has all of it, and says what has come.
async fn hear(pending: PendingReply, admitted: Instant, most: usize, tell: &watch::Sender<Heard>) {
    let outcome = pending.outcome().await;
    let (mut status, mut error) = (Ending::of(&outcome).status(), ledger::error_of(&outcome));
    let stack = match &outcome {
        Outcome::Failed(error) => Some(error.stack.clone()).filter(|stack| !stack.is_empty()),
        _ => None,
    };
    if let Outcome::Responded { head, body } = outcome {
        tell.send_modify(|heard| heard.answer = Some(HeardAnswer::begun(head)));
        if let Err(cut) = read(body, most, tell).await {
            status = InvocationStatus::Lost;
            error = Some(RecordedError {
                code: "runner-lost".into(),
                name: None,
                message: cut.to_string(),
            });
        }
    }
    let end = HeardEnd {
        status,
        error,
        stack,
        took: admitted.elapsed(),
    };
    tell.send_modify(|heard| heard.end = Some(end));
}

async fn read(body: OutputBody, most: usize, tell: &watch::Sender<Heard>) -> Result<(), BodyError> {
    let came = |chunk: &Bytes| {
        tell.send_modify(|heard| {
            if let Some(answer) = &mut heard.answer {
                answer.goes_on(chunk, most);
            }
        });
    };
    match body {
        OutputBody::Whole(whole) => came(&whole),
        OutputBody::Stream(mut stream) => {
            while let Some(chunk) = stream.next().await {
                came(&chunk?);
            }
        }
    }
    Ok(())
}

impl HeardAnswer {
    fn begun(head: ResponseHead) -> Self {
        Self {
            head,
            body: Vec::new(),
            bytes: 0,
        }
    }

    fn goes_on(&mut self, chunk: &Bytes, most: usize) {
        self.bytes += chunk.len() as u64;
        let room = most.saturating_sub(self.body.len());
        self.body.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }
}
