//! One client's connection, as the HTTP layer sees it.
//!
//! [`ClientStream`] stands between the socket and the HTTP parser and does three things that the parser does not:
//!
//! - It hands over **one request at a time**. Bytes of a further, pipelined request wait until the present one is
//!   answered: the parser would otherwise remember the wrong request's method and version while it writes an answer.
//! - It **watches the clock** for the whole life of the connection: a head that does not arrive, a client that does not
//!   take its answer, a connection that nobody uses. A coarse tick does this, so that a request costs no timer.
//! - It **words the parser's own refusals** of what is not HTTP like every other refusal.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::{GatewayConfig, Gauges, rejection};

/// How much of the client's bytes the HTTP parser may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// A request's head, up to its end.
    Head(HeadScan),
    /// The head was handed over; nothing until the request is being served.
    Parsed,
    /// A body of this many bytes.
    Body(u64),
    /// Everything: a body of unknown length, or what is left of an upload that nobody wants.
    Open,
}

/// What the request that is being served brings with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A body of a known length; zero if there is none.
    Bytes(u64),
    /// A body that says itself where it ends.
    Unknown,
}

/// What the gateway's handler and the stream of its connection tell each other. Both live on one thread.
#[derive(Debug)]
pub(crate) struct Connection {
    gate: Cell<Gate>,
    serving: Cell<bool>,
    /// Whether some of an answer is still to be written.
    answering: Cell<bool>,
    /// Counts requests, so that a tick sees that there were some since the last one.
    requests: Cell<u64>,
    parked: RefCell<Option<Waker>>,
}

impl Connection {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            gate: Cell::new(Gate::Head(HeadScan::Before)),
            serving: Cell::new(false),
            answering: Cell::new(false),
            requests: Cell::new(0),
            parked: RefCell::new(None),
        })
    }

    /// A request is being served from now on.
    pub(crate) fn begin(&self, expected: Expected) {
        self.serving.set(true);
        self.answering.set(true);
        self.requests.set(self.requests.get().wrapping_add(1));
        self.gate.set(match expected {
            Expected::Bytes(bytes) => Gate::Body(bytes),
            Expected::Unknown => Gate::Open,
        });
        if expected != Expected::Bytes(0) {
            self.wake();
        }
    }

    /// The request was answered. `leftover`: some of its body was not read, so the connection is about to end and no
    /// further request can be found on it.
    pub(crate) fn finish(&self, leftover: bool) {
        self.serving.set(false);
        self.gate.set(if leftover {
            Gate::Open
        } else {
            Gate::Head(HeadScan::Before)
        });
        self.wake();
    }

    /// Whether some of a head came, and not all of it.
    fn awaits_head_rest(&self) -> bool {
        !matches!(self.gate.get(), Gate::Head(HeadScan::Before))
    }

    /// Everything was written that there was to write.
    fn flushed(&self) {
        self.answering.set(self.serving.get());
    }

    fn park(&self, cx: &Context<'_>) {
        *self.parked.borrow_mut() = Some(cx.waker().clone());
    }

    fn wake(&self) {
        if let Some(waker) = self.parked.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// A client's TCP connection under the gateway's rules.
pub(crate) struct ClientStream {
    socket: TcpStream,
    connection: Rc<Connection>,
    /// Bytes that were read and must wait.
    held: BytesMut,
    /// What is written instead of a bare refusal by the parser.
    rewritten: Option<Bytes>,
    watch: Watch,
    gauges: Arc<Gauges>,
}

impl ClientStream {
    pub(crate) fn new(socket: TcpStream, config: &GatewayConfig, gauges: &Arc<Gauges>) -> Self {
        Self {
            socket,
            connection: Connection::new(),
            held: BytesMut::new(),
            rewritten: None,
            watch: Watch::new(config),
            gauges: Arc::clone(gauges),
        }
    }

    /// The connection's own state, for the requests that come on it.
    pub(crate) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Takes from `fresh` what the parser may have now and says how many bytes that is.
    fn pass(&mut self, fresh: &[u8]) -> usize {
        let gate = self.connection.gate.get();
        let (passed, next) = match gate {
            Gate::Head(scan) => {
                let (scan, length) = scan.advance(fresh);
                (
                    length,
                    if scan == HeadScan::Done {
                        Gate::Parsed
                    } else {
                        Gate::Head(scan)
                    },
                )
            }
            Gate::Parsed => (0, gate),
            Gate::Body(left) => {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(fresh.len());
                (length, Gate::Body(left - length as u64))
            }
            Gate::Open => (fresh.len(), gate),
        };
        self.connection.gate.set(next);
        passed
    }

    fn may_pass(&self) -> bool {
        !matches!(self.connection.gate.get(), Gate::Parsed | Gate::Body(0))
    }

    /// While nothing may pass, only the client's leaving is of interest. What else has come must be looked at once the
    /// gate opens: the socket will not wake anyone for it a second time.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let peeked = self.socket.poll_peek(cx, &mut ReadBuf::new(&mut byte))?;
        match peeked {
            Poll::Ready(0) => return Poll::Ready(Ok(())),
            Poll::Ready(_) => self.connection.park(cx),
            Poll::Pending if !self.held.is_empty() => self.connection.park(cx),
            Poll::Pending => {}
        }
        Poll::Pending
    }

    fn poll_held(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let held = std::mem::take(&mut self.held);
        let room = out.remaining().min(held.len());
        let passed = self.pass(&held[..room]);
        out.put_slice(&held[..passed]);
        self.held = held;
        self.held.advance(passed);
        passed > 0
    }

    /// Nobody was asked, so what is written is the parser's own.
    fn poll_rejection(&mut self, cx: &mut Context<'_>, bare: &[u8]) -> Poll<io::Result<usize>> {
        if self.rewritten.is_none()
            && let Some((code, answer)) = rejection::rewrite(bare)
        {
            self.gauges.refuse(code);
            self.rewritten = Some(answer.into());
        }
        let Some(answer) = &mut self.rewritten else {
            return Pin::new(&mut self.socket).poll_write(cx, bare);
        };
        // The parser believes that it wrote its own, as a whole, and then gives up the connection.
        while !answer.is_empty() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, answer))?;
            answer.advance(written);
        }
        Poll::Ready(Ok(bare.len()))
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, out))?;
        let passed = self.pass(&out.filled()[before..]);
        if out.filled().len() > before + passed {
            self.held.extend_from_slice(&out.filled()[before + passed..]);
            out.set_filled(before + passed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.watch.check(cx, &this.connection)?;
        if !this.may_pass() {
            return this.poll_departure(cx);
        }
        if !this.held.is_empty() && this.poll_held(out) {
            return Poll::Ready(Ok(()));
        }
        this.poll_socket(cx, out)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.watch.check(cx, &this.connection)?;
        let written = if this.connection.answering.get() {
            Pin::new(&mut this.socket).poll_write(cx, bytes)
        } else {
            this.poll_rejection(cx, bytes)
        };
        this.watch.wrote(written.is_ready());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.watch.check(cx, &this.connection)?;
        this.connection.flushed();
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Where in a request's head a reader is. Finds the empty line that ends it as liberally as the parser does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadScan {
    /// Before the request line; empty lines are skipped.
    Before,
    /// Within a line.
    Line,
    /// After a line feed.
    LineEnd,
    /// After a line feed and a carriage return.
    MaybeEmpty,
    /// The empty line was seen.
    Done,
}

impl HeadScan {
    /// Reads on; says the new state and how many of the bytes belong to the head.
    fn advance(mut self, bytes: &[u8]) -> (Self, usize) {
        for (index, byte) in bytes.iter().enumerate() {
            self = match (self, byte) {
                (Self::Before, b'\r' | b'\n') => Self::Before,
                (Self::LineEnd | Self::MaybeEmpty, b'\n') => return (Self::Done, index + 1),
                (Self::LineEnd, b'\r') => Self::MaybeEmpty,
                (_, b'\n') => Self::LineEnd,
                _ => Self::Line,
            };
        }
        (self, bytes.len())
    }
}

/// Finds connections that make no progress. Times are kept in ticks, so the true limit is up to one tick later.
struct Watch {
    tick: Duration,
    sleep: Pin<Box<Sleep>>,
    limits: Limits,
    /// Whether the last write had to wait, and whether one did not since the last tick.
    write_waits: bool,
    write_progress: bool,
    requests_seen: u64,
    idle_ticks: u32,
    stalled_ticks: u32,
}

/// In ticks.
struct Limits {
    head: u32,
    idle: u32,
    write: u32,
}

/// A tick is this part of the shortest limit.
const TICKS_PER_LIMIT: u32 = 4;
const SHORTEST_TICK: Duration = Duration::from_millis(20);
const LONGEST_TICK: Duration = Duration::from_secs(5);

impl Watch {
    fn new(config: &GatewayConfig) -> Self {
        let shortest = config
            .head_timeout
            .min(config.write_timeout)
            .min(config.keep_alive);
        let tick = (shortest / TICKS_PER_LIMIT).clamp(SHORTEST_TICK, LONGEST_TICK);
        let ticks =
            |limit: Duration| u32::try_from(limit.as_millis().div_ceil(tick.as_millis())).unwrap_or(u32::MAX);
        Self {
            tick,
            sleep: Box::pin(tokio::time::sleep(tick)),
            limits: Limits {
                head: ticks(config.head_timeout),
                idle: ticks(config.keep_alive),
                write: ticks(config.write_timeout),
            },
            write_waits: false,
            write_progress: false,
            requests_seen: 0,
            idle_ticks: 0,
            stalled_ticks: 0,
        }
    }

    fn wrote(&mut self, ready: bool) {
        self.write_waits = !ready;
        self.write_progress |= ready;
    }

    /// To be called whenever the connection is looked at: the tick wakes it for that.
    fn check(&mut self, cx: &mut Context<'_>, connection: &Connection) -> io::Result<()> {
        while self.sleep.as_mut().poll(cx).is_ready() {
            let next = Instant::now() + self.tick;
            self.sleep.as_mut().reset(next);
            self.on_tick(connection)?;
        }
        Ok(())
    }

    fn on_tick(&mut self, connection: &Connection) -> io::Result<()> {
        let requests = connection.requests.get();
        if connection.serving.get() || requests != self.requests_seen {
            self.requests_seen = requests;
            self.idle_ticks = 0;
        } else {
            self.idle_ticks += 1;
            let limit = if connection.awaits_head_rest() {
                self.limits.head
            } else {
                self.limits.idle
            };
            if self.idle_ticks > limit {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no request came in time"));
            }
        }
        self.stalled_ticks = if self.write_waits && !self.write_progress {
            self.stalled_ticks + 1
        } else {
            0
        };
        self.write_progress = false;
        if self.stalled_ticks > self.limits.write {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client does not take its answer",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of_head(bytes: &[u8]) -> Option<usize> {
        let (scan, length) = HeadScan::Before.advance(bytes);
        (scan == HeadScan::Done).then_some(length)
    }

    #[test]
    fn a_head_ends_at_its_empty_line() {
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET"), Some(27));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\nhost: a\n\nGET"), Some(24));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nhost: a\n\r\n"), Some(26));
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\nhost: a\r\n"), None);
    }

    #[test]
    fn empty_lines_before_a_request_are_part_of_it() {
        assert_eq!(end_of_head(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Some(22));
    }

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut scan = HeadScan::Before;
        for byte in head {
            assert_ne!(scan, HeadScan::Done);
            scan = scan.advance(&[*byte]).0;
        }
        assert_eq!(scan, HeadScan::Done);
    }
}
