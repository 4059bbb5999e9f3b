//! Doing an invocation again that a person has looked at.

use bytes::Bytes;
use tokio::time::Instant;

use super::handle::TreeHandle;
use crate::domain::{InvocationId, JobId};
use crate::invocation::{
    Input, InputBody, Invocation, Outcome, OutputBody, Refusal, TriggerRef, reply_channel,
};
use crate::trace::TraceContext;

/// What is to be done again.
#[derive(Debug)]
pub struct Replay {
    /// Whose it is.
    pub job: JobId,
    /// The invocation that is done again.
    pub original: InvocationId,
    /// What had started it.
    pub trigger: TriggerRef,
    /// What the trigger says.
    pub input: Input,
    /// The body.
    pub body: Bytes,
}

/// Why an invocation is not done again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No version of the job serves.
    #[error("no version of the job serves")]
    NotServed,
    /// The action takes nothing now.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl TreeHandle {
    /// Does an invocation again on the version that serves. The record has what becomes of it, with input and output.
    ///
    /// # Errors
    /// [`ReplayError`]; then nothing was begun.
    pub fn replay(&self, replay: Replay) -> Result<InvocationId, ReplayError> {
        let around = self.around();
        let serving = around.serving.get(replay.job).ok_or(ReplayError::NotServed)?;
        let permit = serving.action.admit()?;
        let (mut reply, pending) = reply_channel();
        reply.is_replay_of(replay.original);
        let id = InvocationId::generate();
        serving.action.invoke(Invocation {
            id,
            attempt: 1,
            trigger: replay.trigger,
            input: replay.input,
            // A trace of its own: the original's caller has had its answer.
            trace: TraceContext::root_of(id),
            body: InputBody::Whole(replay.body),
            admitted: Instant::now(),
            reply,
            permit,
        });
        let sessions = &around.sessions;
        sessions.tasks.spawn_on(&sessions.io, "replay", async move {
            // Read to its end, so that the record has all of it.
            if let Outcome::Responded {
                body: OutputBody::Stream(mut body),
                ..
            } = pending.outcome().await
            {
                while let Some(Ok(_)) = body.next().await {}
            }
        });
        Ok(id)
    }
}
