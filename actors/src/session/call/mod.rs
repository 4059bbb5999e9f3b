//! What a runner asks of the manager: the key/value store, and publishing at a broker.

mod publish;
mod store;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;

use super::reader::Violation;
use super::{Session, SessionContext};
use crate::protocol::{CallHead, Flags, Frame, FrameKind};

/// Most calls of one runner at once.
pub(super) const MAX_OPEN_CALLS: usize = 64;

/// What a call gives back: fields of the head, and the body.
type Answer = Result<(Value, Bytes), Refused>;

/// Why a call was refused.
#[derive(Debug, Serialize)]
struct Refused {
    code: &'static str,
    message: String,
}

/// Begins to answer a call. What has an order is begun at once, and waited for in a task of its own.
pub(super) fn start(session: &Session, frame: Frame) -> Result<(), Violation> {
    let head: CallHead = frame.head()?;
    let permit = Arc::clone(&session.calls)
        .try_acquire_owned()
        .map_err(|_| Violation::TooManyCalls)?;
    let (Some(&assigned), Some(session)) = (session.assigned.get(), session.me.upgrade()) else {
        return Err(Violation::NotAllowed {
            kind: "CALL",
            state: "before ASSIGN",
        });
    };
    let SessionContext {
        tasks,
        io,
        functions,
        mqtt,
        ..
    } = session.context.clone();
    let body = Bytes::copy_from_slice(&frame.body);
    let answer: BoxFuture<'static, Answer> = if head.method == publish::METHOD {
        publish::answer(&mqtt, assigned.job, frame.head()?, body).boxed()
    } else {
        async move {
            let answered = store::answer(&*functions, assigned.job, head, body).await;
            answered.map_err(Refused::from)
        }
        .boxed()
    };
    tasks.spawn_on(&io, "runner call", async move {
        let answer = answer.await;
        if session.outbound.room().await.is_ok() {
            // Before the answer: the runner may take it as leave to make the next call.
            drop(permit);
            session.send_result(frame.stream, answer);
        }
    });
    Ok(())
}

#[derive(Serialize)]
struct Said<T> {
    ok: bool,
    #[serde(flatten)]
    fields: T,
}

impl Session {
    fn send_result(&self, stream: u32, answer: Answer) {
        let written = match answer {
            Ok((fields, body)) => {
                let head = Said { ok: true, fields };
                self.outbound
                    .frame(FrameKind::Result, Flags::END, stream, &head, &body)
            }
            Err(fields) => {
                let head = Said { ok: false, fields };
                self.outbound
                    .frame(FrameKind::Result, Flags::END, stream, &head, &[])
            }
        };
        if let Err(error) = written {
            tracing::trace!(runner = %self.runner, %error, "the session ended before a call's answer");
        }
    }
}
