//! One runner's connection: what is sent to it, what it answers, and the invocations in its hands.
//!
//! A session lives outside of every actor, so that an actor's crash does not touch the invocations that are under
//! way. Its reader and writer are two tasks; the handle is shared by whoever sends.

mod assignment;
mod begin;
mod call;
mod credit;
mod facts;
mod handshake;
mod input;
mod mask;
mod outbound;
mod owner;
mod reader;
mod settled;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

pub use assignment::{AssignError, Assignment};
use credit::Credit;
pub(crate) use facts::RunnerFacts;
pub use handshake::{HandshakeError, read_hello};
use jobber_kernel::Tasks;
pub(crate) use mask::Mask;
pub use outbound::SessionClosed;
use outbound::{Outbound, WriteError};
use owner::EndOfSession;
pub use owner::SessionOwner;
pub use stream::{Orphans, Sweep};
use stream::{Output, Stream, Streams};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::domain::RunnerId;
use crate::invocation::{FunctionError, InputBody, Invocation, InvocationLimits, Outcome, Refusal};
use crate::ledger::Dispatched;
use crate::log_sink::LogIntake;
use crate::mqtt::MqttBoard;
use crate::ports::FunctionStore;
use crate::protocol::{
    CHUNK_BYTES, CancelHead, CancelReason, CreditHead, Empty, Flags, FrameKind, LoadPhase, MESSAGE,
    PROTOCOL_VERSION, Ready, Shutdown, Welcome,
};

/// The credit that every stream begins with, in each direction.
pub const INITIAL_CREDIT_BYTES: u32 = 262_144;
/// Credit is granted again when this much was taken, so that a grant costs one frame for many chunks.
const GRANT_STEP_BYTES: u32 = INITIAL_CREDIT_BYTES / 4;
/// A runner that does not take what was written before the close has this long before the connection is cut.
const CLOSE_TIME: Duration = Duration::from_secs(5);
/// What a runner had said before its connection failed is read for this long.
const LAST_WORDS_TIME: Duration = Duration::from_secs(1);
/// A runner whose handler was told to stop has this long before it is killed, unless the action says otherwise.
const DEFAULT_LIMITS: InvocationLimits = InvocationLimits {
    queue_wait: Duration::from_secs(30),
    timeout: Duration::from_secs(60),
    cancel_grace: Duration::from_secs(2),
};

/// What a session tells the actor that owns its runner.
#[derive(Debug)]
pub enum SessionEvent {
    /// The handler was imported.
    Ready(Ready),
    /// The package can not be run.
    Rejected(LoadPhase, FunctionError),
    /// The connection is over. The invocations that were under way wait for an answer.
    Ended {
        /// What was seen, for the log.
        detail: String,
        /// Whether the runner broke the protocol.
        protocol_broken: bool,
        /// What was under way.
        orphans: Orphans,
    },
}

/// Hears a session's events.
pub type SessionListener = Box<dyn Fn(SessionEvent) + Send + Sync>;

/// What a session needs from its surroundings.
#[derive(Clone)]
pub struct SessionContext {
    /// The owner of the sessions' short-lived tasks (bodies, calls).
    pub tasks: Arc<Tasks>,
    /// The runtime that they run on.
    pub io: Handle,
    /// Where log lines go.
    pub logs: Arc<LogIntake>,
    /// Where the functions keep values.
    pub functions: Arc<dyn FunctionStore>,
    /// Where the functions publish messages.
    pub mqtt: Arc<MqttBoard>,
}

/// The handle of a session.
pub struct Session {
    runner: RunnerId,
    me: Weak<Session>,
    context: SessionContext,
    outbound: Outbound,
    streams: Mutex<Streams>,
    calls: Arc<Semaphore>,
    assigned: OnceLock<assignment::Assigned>,
    facts: Arc<RunnerFacts>,
    /// Whether the runner takes MESSAGEs.
    takes_messages: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("runner", &self.runner)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session with a runner that proved itself, and said that it `accepts` this besides what every runner does.
    #[must_use]
    pub fn new(runner: RunnerId, accepts: &[String], context: SessionContext) -> Arc<Self> {
        let session = Arc::new_cyclic(|me| Self {
            runner,
            me: Weak::clone(me),
            context,
            outbound: Outbound::default(),
            streams: Mutex::new(Streams::new(DEFAULT_LIMITS)),
            calls: Arc::new(Semaphore::new(call::MAX_OPEN_CALLS)),
            assigned: OnceLock::new(),
            facts: Arc::default(),
            takes_messages: accepts.iter().any(|name| name == MESSAGE),
        });
        let welcome = Welcome {
            protocol: PROTOCOL_VERSION,
            runner_id: runner,
            credit: INITIAL_CREDIT_BYTES,
        };
        // Said before anybody has the handle: nothing may be written ahead of it.
        session.send_control(FrameKind::Welcome, &welcome);
        session
    }

    /// Whose session it is.
    #[must_use]
    pub fn runner(&self) -> RunnerId {
        self.runner
    }

    /// Speaks with the runner until the connection ends, then tells `listener` so.
    pub async fn run(
        self: Arc<Self>,
        reader: impl AsyncRead + Unpin + Send,
        writer: impl AsyncWrite + Unpin + Send,
        listener: SessionListener,
    ) {
        let mut end = EndOfSession {
            session: &self,
            listener: &listener,
            detail: "Jobber ended the session".into(),
            protocol_broken: false,
        };
        (end.detail, end.protocol_broken) = self.speak(reader, writer, &listener).await;
    }

    /// Reads and writes until one of both is over. Gives what was seen, and whether the runner broke the protocol.
    async fn speak(
        &self,
        reader: impl AsyncRead + Unpin + Send,
        writer: impl AsyncWrite + Unpin + Send,
        listener: &SessionListener,
    ) -> (String, bool) {
        let read = reader::read(self, reader, listener);
        tokio::pin!(read);
        let written = tokio::select! {
            ended = &mut read => return ended,
            written = self.outbound.write_to(writer) => written,
            () = self.outbound.closed_for(CLOSE_TIME) => Ok(()),
        };
        match written {
            Ok(()) => ("Jobber closed the connection".into(), false),
            // The runner is gone. What it had said before, an error say, is still there to be read.
            Err(error) => tokio::time::timeout(LAST_WORDS_TIME, read)
                .await
                .unwrap_or_else(|_| (format!("the connection failed: {error}"), false)),
        }
    }

    /// Gives an invocation to the runner.
    ///
    /// # Errors
    /// The invocation itself, untouched, when the session is over: it was not dispatched and may go elsewhere.
    pub fn invoke(&self, mut invocation: Invocation, now: Instant) -> Result<(), Box<Invocation>> {
        let mut streams = self.streams();
        if streams.is_closed() {
            return Err(Box::new(invocation));
        }
        let number = streams.next_number();
        let timeout_ms = millis(streams.limits().timeout);
        let (inline, rest) =
            match std::mem::replace(&mut invocation.body, InputBody::Whole(bytes::Bytes::new())) {
                InputBody::Whole(body) if body.len() <= CHUNK_BYTES => (body, None),
                body => (bytes::Bytes::new(), Some(body)),
            };
        match self.begin(&invocation, number, timeout_ms, &inline, rest.is_none()) {
            Ok(()) => {}
            Err(WriteError::Closed(_)) => {
                invocation.body = rest.unwrap_or(InputBody::Whole(inline));
                return Err(Box::new(invocation));
            }
            Err(WriteError::Frame(error)) => {
                drop(streams);
                tracing::debug!(runner = %self.runner, %error, "a request does not fit into a frame");
                invocation.answer(Outcome::Refused(Refusal::HeadTooLarge));
                return Ok(());
            }
        }
        // All of the credit: there is a rest only where nothing went with the head.
        let rest = rest.map(|rest| (rest, Arc::new(Credit::new(INITIAL_CREDIT_BYTES.into()))));
        let Invocation {
            id,
            input,
            mut reply,
            permit,
            ..
        } = invocation;
        let passing = reply.entry().and_then(|entry| {
            entry.dispatched(Dispatched {
                at: now,
                runner: self.runner,
                facts: Arc::clone(&self.facts),
            });
            entry.keep_input(input, rest.is_none().then_some(&inline));
            rest.is_some().then(|| entry.input_passes())
        });
        let cancellation = reply.cancellation().of_somebody().cloned();
        let stream = Stream {
            invocation: id,
            output: Output::Awaited(reply),
            window: INITIAL_CREDIT_BYTES,
            ungranted: 0,
            credit: rest.as_ref().map(|(_, credit)| Arc::clone(credit)),
            told_to_stop: false,
            overdue: false,
            timer: None,
            permit: Some(permit),
        };
        streams.insert(stream, now);
        drop(streams);
        if let Some((rest, credit)) = rest {
            self.forward_input(number, rest, credit, passing);
        }
        if let Some(cancellation) = cancellation {
            let me = Weak::clone(&self.me);
            cancellation.on_cancel(move || {
                if let Some(session) = me.upgrade() {
                    session.cancel(number, CancelReason::Client);
                }
            });
        }
        Ok(())
    }

    /// Tells the runner that nobody waits for this stream's answer.
    pub fn cancel(&self, stream: u32, reason: CancelReason) {
        let told = self.streams().cancel(stream);
        if told {
            self.send_cancel(stream, reason);
        }
    }

    /// Times out what is over its deadline. To be called again at [`Sweep::next`].
    pub fn sweep(&self, now: Instant) -> Sweep {
        let expired = self.streams().expire(now);
        for stream in expired.told {
            self.send_cancel(stream, CancelReason::Timeout);
        }
        Sweep {
            next: expired.next,
            stuck: expired.stuck,
        }
    }

    /// Says that no invocation will follow.
    pub fn drain(&self) {
        self.send_control(FrameKind::Drain, &Empty {});
    }

    /// Asks the runner to exit. Its invocations are aborted.
    pub fn shut_down(&self, grace: Duration) {
        self.send_control(
            FrameKind::Shutdown,
            &Shutdown {
                grace_ms: millis(grace),
            },
        );
    }

    /// Ends the connection once what was sent is written.
    pub fn close(&self) {
        self.outbound.close();
    }

    /// Puts down in the ledger what has been in the runner's hands for as long as this.
    pub(crate) fn put_down(&self, now: Instant, age: Duration) {
        self.streams().put_down(now, age);
    }

    /// Number of invocations in the runner's hands.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams().len()
    }

    /// Ends all streams, as the end of the connection does.
    #[cfg(test)]
    pub(crate) fn close_streams_for_test(&self) {
        drop(self.streams().close());
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        // Streams are changed in whole steps; a panic between them leaves no half state behind.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_cancel(&self, stream: u32, reason: CancelReason) {
        self.send_best_effort(FrameKind::Cancel, stream, &CancelHead { reason });
    }

    fn send_control(&self, kind: FrameKind, head: &impl serde::Serialize) {
        self.send_best_effort(kind, 0, head);
    }

    /// Sends a frame that means nothing once the session is over.
    fn send_best_effort(&self, kind: FrameKind, stream: u32, head: &impl serde::Serialize) {
        if let Err(error) = self.outbound.frame(kind, Flags::NONE, stream, head, &[]) {
            tracing::trace!(runner = %self.runner, kind = kind.name(), %error, "the session is over");
        }
    }

    /// Nobody reads this stream's output any more: the runner may send as much as at the beginning, for nothing.
    fn grant_all(&self, number: u32) {
        let mut streams = self.streams();
        let Some(stream) = streams.get_mut(number) else {
            return;
        };
        let bytes = INITIAL_CREDIT_BYTES.saturating_sub(stream.window);
        stream.ungranted = 0;
        stream.window += bytes;
        if bytes > 0 {
            self.send_best_effort(FrameKind::Credit, number, &CreditHead { bytes });
        }
    }

    /// Grants the runner more output for a stream, in steps.
    fn grant(&self, number: u32, taken: usize) {
        let mut streams = self.streams();
        let Some(stream) = streams.get_mut(number) else {
            return;
        };
        stream.ungranted = stream
            .ungranted
            .saturating_add(u32::try_from(taken).unwrap_or(u32::MAX));
        if stream.ungranted < GRANT_STEP_BYTES {
            return;
        }
        let bytes = std::mem::take(&mut stream.ungranted);
        stream.window = stream.window.saturating_add(bytes);
        self.send_best_effort(FrameKind::Credit, number, &CreditHead { bytes });
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
