//! What a runner says, and what follows from it.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::codec::Decoder;

use super::settled::Settled;
use super::stream::{Answering, Freed, Output, Stream};
use super::{Session, SessionEvent, SessionListener};
use crate::invocation::{FunctionError, Outcome, OutputBody, ResponseHead, body_channel};
use crate::protocol::{
    CancelReason, CreditHead, Empty, FailedHead, Flags, Frame, FrameCodec, FrameError, FrameKind, MemoryHead,
    Ready, Rejected, Side,
};

/// Read from the socket in pieces of this size when less is free.
const READ_BYTES: usize = 64 * 1024;

/// How the runner broke the protocol. Ends its session, and nothing else.
#[derive(Debug, thiserror::Error)]
pub(super) enum Violation {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a {kind} frame is not allowed {state}")]
    NotAllowed { kind: &'static str, state: &'static str },
    #[error("a {kind} frame for stream {stream}, which is not open")]
    NoStream { kind: &'static str, stream: u32 },
    #[error("stream {stream} sent {size} bytes and had credit for {window}")]
    Overrun { stream: u32, size: usize, window: u32 },
    #[error("a second answer for stream {0}")]
    SecondAnswer(u32),
    #[error("more than 64 open calls")]
    TooManyCalls,
}

/// How far the runner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Welcomed; it may be given a package.
    Waiting,
    /// It imported its package.
    Serving,
}

/// What is said on one connection.
struct Reading<'a> {
    session: &'a Session,
    listener: &'a SessionListener,
    state: State,
    settled: Settled,
}

/// Reads until the connection ends. Gives what was seen, and whether the runner broke the protocol.
pub(super) async fn read(
    session: &Session,
    mut socket: impl AsyncRead + Unpin,
    listener: &SessionListener,
) -> (String, bool) {
    let mut reading = Reading {
        session,
        listener,
        state: State::Waiting,
        settled: Settled::default(),
    };
    let mut input = BytesMut::with_capacity(READ_BYTES);
    loop {
        if let Err(violation) = reading.frames(&mut input) {
            return (format!("the runner broke the protocol: {violation}"), true);
        }
        input.reserve(READ_BYTES / 2);
        match socket.read_buf(&mut input).await {
            Ok(0) if input.is_empty() => return ("the runner closed the connection".into(), false),
            Ok(0) => {
                return (
                    "the runner closed the connection in the middle of a frame".into(),
                    false,
                );
            }
            Ok(_) => {}
            Err(error) => return (format!("the connection failed: {error}"), false),
        }
    }
}

impl Reading<'_> {
    /// Takes all frames that are complete.
    fn frames(&mut self, input: &mut BytesMut) -> Result<(), Violation> {
        let mut freed = Freed::default();
        let taken = self.each(input, &mut freed);
        // Also if there is something wrong behind them.
        let ended = self.settled.end(self.session, &mut freed);
        taken.and(ended)
    }

    fn each(&mut self, input: &mut BytesMut, freed: &mut Freed) -> Result<(), Violation> {
        while let Some(frame) = FrameCodec.decode(input)? {
            frame.check(Side::Runner)?;
            if frame.kind != FrameKind::Settled {
                // What was said before comes before.
                self.settled.end(self.session, freed)?;
            }
            self.frame(frame, freed)?;
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame, freed: &mut Freed) -> Result<(), Violation> {
        let Self {
            session,
            listener,
            state,
            settled,
        } = self;
        let not_allowed = |state| {
            Err(Violation::NotAllowed {
                kind: frame.kind.name(),
                state,
            })
        };
        match frame.kind {
            FrameKind::Response => on_response(session, frame, freed),
            FrameKind::Data => on_data(session, frame, freed),
            FrameKind::Settled => settled.add(session, frame.stream, freed),
            FrameKind::Failed => on_failed(session, &frame, freed),
            FrameKind::Credit => on_credit(session, &frame),
            FrameKind::StopReading => on_stop_reading(session, &frame),
            FrameKind::Memory => on_memory(session, &frame),
            FrameKind::Log => session.log(&frame).map_err(Violation::from),
            FrameKind::Call if *state == State::Serving || session.is_loading() => {
                super::call::start(session, frame)
            }
            // A runner that asks and does not read the answers must not fill the memory with them.
            FrameKind::Ping if session.outbound.is_full() => Ok(()),
            FrameKind::Ping => {
                let body = frame.body.slice(..frame.body.len().min(8));
                on_written(
                    session
                        .outbound
                        .frame(FrameKind::Pong, Flags::NONE, 0, &Empty {}, &body),
                );
                Ok(())
            }
            FrameKind::Pong => Ok(()),
            FrameKind::Ready | FrameKind::Rejected if *state == State::Serving => not_allowed("twice"),
            FrameKind::Ready | FrameKind::Rejected if !session.is_loading() => not_allowed("before LOAD"),
            FrameKind::Ready => {
                *state = State::Serving;
                listener(SessionEvent::Ready(frame.head::<Ready>()?));
                Ok(())
            }
            FrameKind::Rejected => {
                let Rejected { phase, error } = frame.head()?;
                listener(SessionEvent::Rejected(phase, error));
                Ok(())
            }
            FrameKind::Call => not_allowed("before LOAD"),
            FrameKind::Hello => not_allowed("after WELCOME"),
            FrameKind::Welcome
            | FrameKind::Assign
            | FrameKind::File
            | FrameKind::FileData
            | FrameKind::Load
            | FrameKind::Invoke
            | FrameKind::Message
            | FrameKind::Cancel
            | FrameKind::Result
            | FrameKind::Drain
            | FrameKind::Shutdown => not_allowed("from a runner"),
        }
    }
}

/// What happens when an answer to the runner can not be written: nothing, the session ends by itself.
fn on_written(result: Result<(), super::WriteError>) {
    if let Err(error) = result {
        tracing::trace!(%error, "an answer to a runner was not written");
    }
}

fn part_size(frame: &Frame) -> u32 {
    // At most a chunk, as every frame is checked to be.
    u32::try_from(frame.body.len()).unwrap_or(u32::MAX)
}

fn no_stream(frame: &Frame) -> Violation {
    Violation::NoStream {
        kind: frame.kind.name(),
        stream: frame.stream,
    }
}

fn on_response(session: &Session, frame: Frame, freed: &mut Freed) -> Result<(), Violation> {
    let size = part_size(&frame);
    let head: ResponseHead = frame.head()?;
    let mut streams = session.streams();
    let stream = streams.get_mut(frame.stream).ok_or_else(|| no_stream(&frame))?;
    if size > stream.window {
        return Err(Violation::Overrun {
            stream: frame.stream,
            size: frame.body.len(),
            window: stream.window,
        });
    }
    let mut reply = match std::mem::replace(&mut stream.output, Output::Over) {
        Output::Awaited(reply) => reply,
        // The caller was answered already (timed out, gone): the handler's answer goes nowhere.
        Output::Over if stream.told_to_stop => {
            stream.window -= size;
            drop(streams);
            session.grant(frame.stream, frame.body.len());
            settle_if_said(session, &frame, freed);
            return Ok(());
        }
        Output::Over | Output::Streaming(_) => return Err(Violation::SecondAnswer(frame.stream)),
    };
    if frame.flags.is_end() {
        let body = frame.body.clone();
        let settled = frame
            .flags
            .is_settled()
            .then(|| streams.remove(frame.stream))
            .flatten();
        drop(streams);
        // The slot is free before the caller hears the answer, so that its next call finds it free.
        if let Some(mut stream) = settled {
            stream.want_no_input();
            stream.free(freed);
        }
        reply.answer(Outcome::Responded {
            head,
            body: OutputBody::Whole(body),
        });
        return Ok(());
    }
    stream.window -= size;
    let (mut body, receiver) = body_channel(super::INITIAL_CREDIT_BYTES as usize);
    body.push(frame.body.clone());
    stream.output = Output::Streaming(Answering {
        body,
        entry: reply.let_pass(&head, &frame.body),
        unread: false,
    });
    drop(streams);
    let (grant, abandon) = (session.me.clone(), session.me.clone());
    let number = frame.stream;
    let receiver = receiver
        .on_taken(move |bytes| {
            if let Some(session) = grant.upgrade() {
                session.grant(number, bytes);
            }
        })
        .on_abandoned(move || {
            if let Some(session) = abandon.upgrade() {
                session.cancel(number, CancelReason::Client);
                session.grant_all(number);
            }
        });
    reply.answer(Outcome::Responded {
        head,
        body: OutputBody::Stream(receiver),
    });
    settle_if_said(session, &frame, freed);
    Ok(())
}

fn on_data(session: &Session, frame: Frame, freed: &mut Freed) -> Result<(), Violation> {
    let size = part_size(&frame);
    let mut streams = session.streams();
    let stream = streams.get_mut(frame.stream).ok_or_else(|| no_stream(&frame))?;
    if size > stream.window {
        return Err(Violation::Overrun {
            stream: frame.stream,
            size: frame.body.len(),
            window: stream.window,
        });
    }
    stream.window -= size;
    let mut unread = 0;
    let finished = match &mut stream.output {
        Output::Streaming(answering) => {
            // The frame's bytes share the read buffer; a copy lets that go while a slow client reads.
            if !answering.push(Bytes::copy_from_slice(&frame.body)) {
                unread = frame.body.len();
            }
            frame
                .flags
                .is_end()
                .then(|| std::mem::replace(&mut stream.output, Output::Over))
        }
        Output::Over if stream.told_to_stop => {
            unread = frame.body.len();
            None
        }
        Output::Over | Output::Awaited(_) => {
            return Err(Violation::NotAllowed {
                kind: "DATA",
                state: "without an open answer",
            });
        }
    };
    if let Some(Output::Streaming(answering)) = finished {
        answering.finish();
    }
    drop(streams);
    // What nobody reads is granted again all the same, so that a handler that does not care can come to its end, instead
    // of waiting for credit until its runner is killed.
    if unread > 0 {
        session.grant(frame.stream, unread);
    }
    settle_if_said(session, &frame, freed);
    Ok(())
}

fn on_failed(session: &Session, frame: &Frame, freed: &mut Freed) -> Result<(), Violation> {
    let FailedHead { error } = frame.head()?;
    let mut stream = session
        .streams()
        .remove(frame.stream)
        .ok_or_else(|| no_stream(frame))?;
    session.log_failure(stream.invocation, &error);
    stream.free(freed);
    stream.end(Outcome::Failed(error));
    Ok(())
}

fn on_memory(session: &Session, frame: &Frame) -> Result<(), Violation> {
    let MemoryHead { peak_bytes } = frame.head()?;
    session.facts.memory_was(peak_bytes);
    Ok(())
}

fn on_credit(session: &Session, frame: &Frame) -> Result<(), Violation> {
    let CreditHead { bytes } = frame.head()?;
    if let Some(Stream {
        credit: Some(credit), ..
    }) = session.streams().get_mut(frame.stream)
    {
        credit.add(bytes);
    }
    Ok(())
}

fn on_stop_reading(session: &Session, frame: &Frame) -> Result<(), Violation> {
    let mut streams = session.streams();
    streams
        .get_mut(frame.stream)
        .ok_or_else(|| no_stream(frame))?
        .want_no_input();
    Ok(())
}

/// Forgets the stream if the frame says that its handler has settled.
fn settle_if_said(session: &Session, frame: &Frame, freed: &mut Freed) {
    if !frame.flags.is_settled() {
        return;
    }
    let settled = session.streams().remove(frame.stream);
    if let Some(mut stream) = settled {
        stream.free(freed);
        stream.end(Outcome::Failed(FunctionError {
            name: "IncompleteResponse".into(),
            message: "the handler settled before its answer was complete".into(),
            code: Some("incomplete-response".into()),
            ..FunctionError::default()
        }));
    }
}
