//! What handlers answer to requests for which nobody waits: collected to its end, up to a limit.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jobber_kernel::Tasks;
use tokio::runtime::Handle;

use super::policy::AttemptEnd;
use crate::invocation::{BodyReceiver, OutputBody, ResponseHead};
use crate::ports::{Answer, DeliveryFailure};

/// Statuses that an answer may have; those below are of answers that are followed by another.
const FINAL_STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// Collects answers.
pub(crate) struct AnswerCollector {
    io: Handle,
    tasks: Tasks,
    /// Most bytes of a body.
    most: usize,
}

impl AnswerCollector {
    /// Collects bodies of up to `most` bytes on this runtime.
    pub(crate) fn new(io: Handle, most: usize) -> Self {
        Self {
            io,
            tasks: Tasks::new("answers"),
            most,
        }
    }

    /// Calls `done` with the whole answer, or with why there is none: at once where all of it is there.
    pub(super) fn collect(
        self: &Arc<Self>,
        head: ResponseHead,
        body: OutputBody,
        done: impl FnOnce(Result<Answer, AttemptEnd>) + Send + 'static,
    ) {
        if !FINAL_STATUSES.contains(&head.status) {
            return done(Err(no_response(head.status)));
        }
        match body {
            OutputBody::Whole(body) if body.len() <= self.most => done(Ok(Answer { head, body })),
            OutputBody::Whole(_) => done(Err(too_large(self.most))),
            OutputBody::Stream(receiver) => {
                let most = self.most;
                self.tasks.spawn_on(&self.io, "collect", async move {
                    let body = read_to_end(receiver, most).await;
                    done(body.map(|body| Answer { head, body }));
                });
            }
        }
    }
}

/// Reads on until the end, which the handler's time limit brings at the latest.
async fn read_to_end(mut receiver: BodyReceiver, most: usize) -> Result<Bytes, AttemptEnd> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = receiver.next().await {
        let chunk = chunk.map_err(|error| {
            failed(
                "response-cut-short",
                format!("the response did not come to its end: {error}"),
            )
        })?;
        if whole.len() + chunk.len() > most {
            return Err(too_large(most));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn failed(reason: &str, message: String) -> AttemptEnd {
    AttemptEnd::Failed(DeliveryFailure {
        reason: reason.to_owned(),
        message,
        error: None,
    })
}

/// The handler finished, and what it said is no answer to a request.
pub(super) fn no_answer() -> AttemptEnd {
    failed(
        "invalid-response",
        "the handler finished without a response".to_owned(),
    )
}

fn no_response(status: u16) -> AttemptEnd {
    failed(
        "invalid-response",
        format!("{status} is no status of a final response (200 to 599)"),
    )
}

/// Another attempt would answer the same, after having done everything once more.
fn too_large(most: usize) -> AttemptEnd {
    AttemptEnd::Hopeless(DeliveryFailure {
        reason: "response-too-large".to_owned(),
        message: format!("the response's body has more than the {most} bytes that are kept"),
        error: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::{BodyError, body_channel};

    fn reason(end: Result<Bytes, AttemptEnd>) -> String {
        match end {
            Err(AttemptEnd::Failed(failure) | AttemptEnd::Hopeless(failure)) => failure.reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_streamed_answer_is_collected_up_to_the_limit() {
        let (mut sender, receiver) = body_channel(16);
        sender.push(Bytes::from_static(b"1234"));
        sender.push(Bytes::from_static(b"5678"));
        sender.finish();
        assert_eq!(
            read_to_end(receiver, 8).await,
            Ok(Bytes::from_static(b"12345678"))
        );

        let (mut sender, receiver) = body_channel(16);
        sender.push(Bytes::from_static(b"123456789"));
        assert_eq!(reason(read_to_end(receiver, 8).await), "response-too-large");
        assert!(!sender.push(Bytes::from_static(b"0")), "nobody reads on");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_none() {
        let (mut sender, receiver) = body_channel(16);
        sender.push(Bytes::from_static(b"12"));
        sender.fail(BodyError::CutShort("the runner was lost".into()));
        assert_eq!(reason(read_to_end(receiver, 8).await), "response-cut-short");
    }
}
