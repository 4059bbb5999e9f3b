//! Doing an invocation again that a person has looked at.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::handle::TreeHandle;
use crate::action::ActionHandle;
use crate::domain::{InvocationId, JobId, VersionId};
use crate::invocation::{
    Input, InputBody, Invocation, Outcome, OutputBody, Refusal, TriggerRef, reply_channel,
};
use crate::job::PrepareError;
use crate::trace::TraceContext;

/// What is to be done again.
#[derive(Debug)]
pub struct Replay {
    /// Whose it is.
    pub job: JobId,
    /// Which of its versions does it; the one that serves unless one is named.
    pub version: Option<VersionId>,
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
    /// The version that was named could not be made ready.
    #[error(transparent)]
    NotReady(#[from] PrepareError),
    /// The action takes nothing now.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl TreeHandle {
    /// Does an invocation again. The record has what becomes of it, with input and output. A version that does not serve is made
    /// ready first, which may take this long.
    ///
    /// # Errors
    /// [`ReplayError`]; then nothing was begun.
    pub async fn replay(&self, replay: Replay, deadline: Duration) -> Result<InvocationId, ReplayError> {
        let action = match replay.version {
            Some(version) => self.make_ready(replay.job, version, deadline).await?,
            None => {
                let serving = self.around().serving.get(replay.job);
                serving.ok_or(ReplayError::NotServed)?.action
            }
        };
        self.begin(&action, replay)
    }

    fn begin(&self, action: &ActionHandle, replay: Replay) -> Result<InvocationId, ReplayError> {
        let permit = action.admit()?;
        let (mut reply, pending) = reply_channel();
        reply.is_replay_of(replay.original);
        let id = InvocationId::generate();
        action.invoke(Invocation {
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
        let sessions = &self.around().sessions;
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
