//! What a scripted runner's handler does. The path of the request says it: `/<job>/<what>[/<argument>]`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::sleep;

use super::locked;
use super::runner::exit;
use crate::domain::InvocationId;
use crate::ports::RunnerExit;
use crate::protocol::{CHUNK_BYTES, Flags, Frame, FrameKind};
use crate::session::INITIAL_CREDIT_BYTES;

/// What a handler wants the process to do.
pub(super) enum Said {
    Frame {
        kind: FrameKind,
        flags: Flags,
        stream: u32,
        head: Value,
        body: Bytes,
    },
    Exit(RunnerExit),
}

/// Input that has come and was not taken.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    parts: Mutex<(VecDeque<Bytes>, bool)>,
    changed: Notify,
}

impl Inbox {
    pub(super) fn push(&self, part: Bytes, end: bool) {
        let mut parts = locked(&self.parts);
        parts.0.push_back(part);
        parts.1 |= end;
        drop(parts);
        self.changed.notify_one();
    }

    async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut parts = locked(&self.parts);
                match parts.0.pop_front() {
                    Some(part) => return Some(part),
                    None if parts.1 => return None,
                    None => {}
                }
            }
            self.changed.notified().await;
        }
    }
}

/// One invocation, as the process and its handler share it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) stream: u32,
    pub(super) invocation: InvocationId,
    pub(super) attempt: u64,
    /// Whether somebody waits for an answer.
    answers: bool,
    pub(super) path: String,
    pub(super) input: Arc<Inbox>,
    pub(super) credit: Arc<Semaphore>,
    pub(super) cancelled: watch::Sender<bool>,
}

impl Call {
    pub(super) fn of(frame: &Frame) -> Self {
        let head: Value = frame.head().expect("the manager's heads are right");
        let id = head["id"].as_str().and_then(|id| id.parse().ok());
        let input = Inbox::default();
        input.push(frame.body.clone(), frame.flags.is_end());
        Self {
            stream: frame.stream,
            invocation: id.expect("an INVOKE has an id"),
            attempt: head["attempt"].as_u64().unwrap_or(0),
            answers: head["kind"] == "http",
            path: path_of(&head),
            input: Arc::new(input),
            credit: Arc::new(Semaphore::new(INITIAL_CREDIT_BYTES as usize)),
            cancelled: watch::Sender::new(false),
        }
    }

    async fn until_cancelled(&self) {
        let mut cancelled = self.cancelled.subscribe();
        // The sender lives in this call.
        cancelled
            .wait_for(|cancelled| *cancelled)
            .await
            .expect("the call is there");
    }
}

/// What says what the handler does: the path of a request, the topic of a message, the name of a schedule.
fn path_of(head: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match head["kind"].as_str() {
        Some("mqtt") => format!("/{}", text(&head["mqtt"]["topic"])),
        Some("schedule") => format!("/schedule/{}", text(&head["trigger"]["name"]).replace('.', "/")),
        _ => text(&head["http"]["target"]),
    }
}

/// Runs one invocation to its end.
pub(super) async fn handle(call: Call, say: mpsc::Sender<Said>) {
    let mut path = call.path.split('/').skip(2);
    let what = path.next().unwrap_or_default();
    let argument: u64 = path.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let handler = Handler { call: &call, say };
    match what {
        "echo" => handler.echo().await,
        "throw" => {
            sleep(Duration::from_millis(argument)).await;
            handler.fail("it threw").await;
        }
        "wait" => handler.wait(Duration::from_millis(argument)).await,
        "never" => handler.wait(Duration::MAX).await,
        "stubborn" => std::future::pending().await,
        "settle" => handler.end(FrameKind::Settled, json!({})).await,
        "stream" => {
            handler.stream(argument).await;
        }
        "half" => handler.half().await,
        "late" => handler.late().await,
        "twice" => handler.twice().await,
        "overrun" => handler.overrun().await,
        "exit" => handler.exit(exit(3)).await,
        "oom" => {
            let exit = RunnerExit {
                out_of_memory: true,
                signal: Some(9),
                code: None,
            };
            handler.exit(exit).await;
        }
        "flaky" if call.attempt <= argument => handler.fail("not yet").await,
        _ if !call.answers => handler.end(FrameKind::Settled, json!({})).await,
        _ => handler.answer(Bytes::from_static(b"hello")).await,
    }
}

struct Handler<'a> {
    call: &'a Call,
    say: mpsc::Sender<Said>,
}

impl Handler<'_> {
    async fn say(&self, kind: FrameKind, flags: Flags, head: Value, body: Bytes) {
        let said = Said::Frame {
            kind,
            flags,
            stream: self.call.stream,
            head,
            body,
        };
        // A process that is over hears nothing.
        drop(self.say.send(said).await);
    }

    async fn exit(&self, exit: RunnerExit) {
        drop(self.say.send(Said::Exit(exit)).await);
    }

    async fn end(&self, kind: FrameKind, head: Value) {
        self.say(kind, Flags::SETTLED, head, Bytes::new()).await;
    }

    async fn fail(&self, message: &str) {
        let error = json!({ "name": "Error", "message": message, "stack": format!("Error: {message}\n    at handler") });
        self.end(FrameKind::Failed, json!({ "error": error })).await;
    }

    async fn head(&self, flags: Flags, body: Bytes) {
        let head = json!({ "status": 200, "headers": [["x-fake", "1"]] });
        self.say(FrameKind::Response, flags, head, body).await;
    }

    async fn data(&self, flags: Flags, body: Bytes) {
        self.say(FrameKind::Data, flags, json!({}), body).await;
    }

    async fn answer(&self, body: Bytes) {
        if body.len() <= CHUNK_BYTES {
            self.head(Flags::END.with(Flags::SETTLED), body).await;
            return;
        }
        self.head(Flags::NONE, Bytes::new()).await;
        if self.chunks(body).await {
            self.data(Flags::END.with(Flags::SETTLED), Bytes::new()).await;
        }
    }

    /// Sends a body as far as there is credit. `false` when nobody wants the rest.
    async fn chunks(&self, mut body: Bytes) -> bool {
        while !body.is_empty() {
            let part = body.split_to(body.len().min(16 * 1024));
            let size = u32::try_from(part.len()).expect("a part is small");
            tokio::select! {
            biased;
                           permits = self.call.credit.acquire_many(size) => {
                               permits.expect("the credit is never closed").forget();
                           }
                           () = self.call.until_cancelled() => {
                               self.fail("aborted").await;
                               return false;
                           }
                       }
            self.data(Flags::NONE, part).await;
        }
        true
    }

    async fn echo(&self) {
        let mut body = Vec::new();
        loop {
            tokio::select! {
            biased;
                           part = self.call.input.next() => match part {
                               None => break,
                               Some(part) => {
                                   body.extend_from_slice(&part);
                                   self.say(FrameKind::Credit, Flags::NONE, json!({ "bytes": part.len() }), Bytes::new()).await;
                               }
                           },
                           () = self.call.until_cancelled() => return self.fail("aborted").await,
                       }
        }
        self.answer(Bytes::from(body)).await;
    }

    async fn wait(&self, time: Duration) {
        tokio::select! {
        biased;
                   () = sleep(time) => self.answer(Bytes::from_static(b"waited")).await,
                   () = self.call.until_cancelled() => self.fail("aborted").await,
               }
    }

    /// A body of so many KiB.
    async fn stream(&self, kib: u64) {
        let size = usize::try_from(kib).expect("a test's body is small") * 1024;
        self.head(Flags::NONE, Bytes::new()).await;
        if self.chunks(Bytes::from(vec![b'x'; size])).await {
            self.data(Flags::END.with(Flags::SETTLED), Bytes::new()).await;
        }
    }

    /// A part of an answer, then the end of the process.
    async fn half(&self) {
        self.head(Flags::NONE, Bytes::from_static(b"half")).await;
        self.exit(exit(1)).await;
    }

    /// An answer, and work that goes on after it.
    async fn late(&self) {
        self.head(Flags::END, Bytes::from_static(b"early")).await;
        sleep(Duration::from_millis(500)).await;
        self.end(FrameKind::Settled, json!({})).await;
    }

    /// Two answers: a breach of the protocol.
    async fn twice(&self) {
        self.head(Flags::END, Bytes::from_static(b"one")).await;
        self.head(Flags::END, Bytes::from_static(b"two")).await;
    }

    /// More than the credit allows: a breach of the protocol.
    async fn overrun(&self) {
        self.head(Flags::NONE, Bytes::new()).await;
        for _ in 0..=INITIAL_CREDIT_BYTES as usize / CHUNK_BYTES {
            self.data(Flags::NONE, Bytes::from(vec![b'x'; CHUNK_BYTES])).await;
        }
    }
}
