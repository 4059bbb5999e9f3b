//! A runner that follows a script. It speaks the protocol as a real one does, over a pipe instead of a socket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::handler::{Call, Said, handle};
use super::locked;
use super::wire::{Wire, WireReader, WireWriter};
use crate::domain::InvocationId;
use crate::ports::RunnerExit;
use crate::protocol::{CreditHead, Flags, Frame, FrameKind};

/// The most memory that it says to have held, in bytes.
pub(super) const PEAK_MEMORY: u64 = 50_000_000;

/// What happens to the process until it dials in.
#[derive(Clone, Debug, Default)]
pub enum StartScript {
    /// It starts and dials in.
    #[default]
    Works,
    /// It does so after this time.
    Takes(Duration),
    /// The engine refuses.
    Fails(String),
    /// The engine never answers.
    Hangs,
    /// It starts and never dials in.
    Silent,
    /// It starts and exits with this code.
    Exits(i64),
}

/// What happens when it has got its package.
#[derive(Clone, Debug, Default)]
pub enum LoadScript {
    /// It imports it.
    #[default]
    Works,
    /// It does so after this time.
    Takes(Duration),
    /// The module throws this.
    Rejects(String),
    /// It never comes to an end.
    Hangs,
    /// The module exits with this code.
    Exits(i64),
    /// The runner breaks the protocol.
    BreaksProtocol,
}

/// What a runner does from its start to its end. What its handler does is up to each request; see [`super::TestTree::call`].
#[derive(Clone, Debug, Default)]
pub struct RunnerScript {
    /// Until it dials in.
    pub start: StartScript,
    /// Until it is ready.
    pub load: LoadScript,
    /// Whether it goes on after SHUTDOWN until it is killed.
    pub ignores_shutdown: bool,
}

/// A message or an instant that a runner was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The topic, or the instant.
    pub about: String,
    /// The message's payload.
    pub payload: String,
    /// Which attempt.
    pub attempt: u64,
}

impl Event {
    fn of(frame: &Frame) -> Option<Self> {
        let head: Value = frame.head().expect("the manager's heads are right");
        let about = match head["kind"].as_str()? {
            "mqtt" => &head["mqtt"]["topic"],
            "schedule" => &head["schedule"]["scheduledAt"],
            _ => return None,
        };
        Some(Self {
            about: about.as_str()?.to_owned(),
            payload: String::from_utf8_lossy(&frame.body).into_owned(),
            attempt: head["attempt"].as_u64()?,
        })
    }
}

/// What all runners of a test have seen.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// How often each attempt of an invocation was given to a runner.
    pub(super) given: HashMap<(InvocationId, u64), u32>,
    /// The events that were given to runners, in order.
    pub(super) events: Vec<Event>,
    /// What the manager did that it may not do.
    pub(super) faults: Vec<String>,
    /// The environment of the last ASSIGN.
    pub(super) environment: Value,
    /// The CANCELs' reasons.
    pub(super) cancelled: Vec<String>,
}

/// A process, from the moment at which it runs. Gives its exit.
pub(super) async fn process(
    script: RunnerScript,
    token: String,
    stream: DuplexStream,
    witness: Arc<Mutex<Witness>>,
) -> RunnerExit {
    match script.start {
        StartScript::Silent => {
            // It holds the connection that it never uses.
            let _stream = stream;
            std::future::pending().await
        }
        StartScript::Exits(code) => exit(code),
        _ => {
            let Wire { reader, writer } = Wire::new(stream);
            let process = Process {
                script,
                writer,
                witness,
                open: HashMap::new(),
                concurrency: 0,
                last_stream: 0,
                draining: false,
            };
            process.run(reader, &token).await
        }
    }
}

pub(super) fn exit(code: i64) -> RunnerExit {
    RunnerExit {
        code: Some(code),
        ..RunnerExit::default()
    }
}

struct Process {
    script: RunnerScript,
    writer: WireWriter,
    witness: Arc<Mutex<Witness>>,
    open: HashMap<u32, Call>,
    concurrency: usize,
    last_stream: u32,
    draining: bool,
}

impl Process {
    async fn run(mut self, mut reader: WireReader, token: &str) -> RunnerExit {
        let hello =
            json!({ "protocol": 1, "token": token, "runtime": "fake", "runtimeVersion": "1", "pid": 1 });
        self.writer
            .send(FrameKind::Hello, Flags::NONE, 0, &hello, &[])
            .await;
        // Dropped with the process, and all handlers with it.
        let mut handlers = JoinSet::new();
        let (say, mut said) = mpsc::channel(16);
        loop {
            let step = tokio::select! {
                biased;
                frame = reader.next() => match frame {
                    Some(frame) => self.on_frame(frame, &say, &mut handlers).await,
                    None if self.draining => Some(exit(0)),
                    None => Some(exit(1)),
                },
                // The channel is never closed: this loop holds one of its senders.
                Some(said) = said.recv() => self.on_said(said).await,
            };
            if let Some(exit) = step {
                return exit;
            }
            // Those that have ended are forgotten; one that panicked has failed its test already.
            while handlers.try_join_next().is_some() {}
        }
    }

    async fn on_said(&mut self, said: Said) -> Option<RunnerExit> {
        match said {
            Said::Exit(exit) => Some(exit),
            Said::Frame {
                kind,
                flags,
                stream,
                head,
                body,
            } => {
                if flags.is_settled() {
                    self.open.remove(&stream);
                }
                self.writer.send(kind, flags, stream, &head, &body).await;
                None
            }
        }
    }

    async fn on_frame(
        &mut self,
        frame: Frame,
        say: &mpsc::Sender<Said>,
        handlers: &mut JoinSet<()>,
    ) -> Option<RunnerExit> {
        match frame.kind {
            FrameKind::Assign => self.on_assign(&frame),
            FrameKind::Load => return self.on_load().await,
            FrameKind::Invoke => {
                let call = self.on_invoke(&frame);
                let say = say.clone();
                handlers.spawn(async move { handle(call, say).await });
            }
            FrameKind::Data => {
                if let Some(call) = self.open.get(&frame.stream) {
                    call.input.push(frame.body.clone(), frame.flags.is_end());
                }
            }
            FrameKind::Credit => {
                let CreditHead { bytes } = frame.head().expect("the manager's heads are right");
                if let Some(call) = self.open.get(&frame.stream) {
                    call.credit.add_permits(bytes as usize);
                }
            }
            FrameKind::Cancel => {
                let head: Value = frame.head().expect("the manager's heads are right");
                let reason = head["reason"].as_str().unwrap_or_default().to_owned();
                locked(&self.witness).cancelled.push(reason);
                if let Some(call) = self.open.get(&frame.stream) {
                    call.cancelled.send_replace(true);
                }
            }
            FrameKind::Drain => self.draining = true,
            FrameKind::Shutdown if self.script.ignores_shutdown => {}
            FrameKind::Shutdown => return Some(exit(0)),
            _ => {}
        }
        None
    }

    fn on_assign(&mut self, frame: &Frame) {
        let head: Value = frame.head().expect("the manager's heads are right");
        let concurrency = head["limits"]["concurrency"].as_u64().unwrap_or(0);
        self.concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX);
        let environment = serde_json::from_slice(&frame.body);
        locked(&self.witness).environment = environment.expect("the environment is JSON");
    }

    async fn on_load(&mut self) -> Option<RunnerExit> {
        match self.script.load.clone() {
            LoadScript::Works => {}
            // It hears nothing meanwhile, as a module that blocks its event loop.
            LoadScript::Takes(time) => sleep(time).await,
            LoadScript::Hangs => std::future::pending().await,
            LoadScript::Exits(code) => return Some(exit(code)),
            LoadScript::Rejects(message) => {
                let error =
                    json!({ "name": "Error", "message": message, "stack": format!("Error: {message}") });
                let head = json!({ "phase": "import", "error": error });
                self.writer
                    .send(FrameKind::Rejected, Flags::NONE, 0, &head, &[])
                    .await;
                return None;
            }
            LoadScript::BreaksProtocol => {
                self.writer
                    .send(FrameKind::Invoke, Flags::NONE, 1, &json!({}), &[])
                    .await;
                return None;
            }
        }
        self.writer
            .send(
                FrameKind::Memory,
                Flags::NONE,
                0,
                &json!({ "peakBytes": PEAK_MEMORY }),
                &[],
            )
            .await;
        let head = json!({ "importMs": 1, "dialect": "classic" });
        self.writer
            .send(FrameKind::Ready, Flags::NONE, 0, &head, &[])
            .await;
        None
    }

    fn on_invoke(&mut self, frame: &Frame) -> Call {
        let call = Call::of(frame);
        let mut witness = locked(&self.witness);
        *witness.given.entry((call.invocation, call.attempt)).or_default() += 1;
        witness.events.extend(Event::of(frame));
        if frame.stream.is_multiple_of(2) || frame.stream <= self.last_stream {
            witness
                .faults
                .push(format!("stream {} after {}", frame.stream, self.last_stream));
        }
        if self.draining {
            witness.faults.push("an INVOKE after DRAIN".into());
        }
        self.last_stream = frame.stream;
        self.open.insert(frame.stream, call.clone());
        if self.open.len() > self.concurrency {
            witness
                .faults
                .push(format!("{} streams are open", self.open.len()));
        }
        call
    }
}
