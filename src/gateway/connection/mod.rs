//! One client's connection, as the HTTP layer sees it.
//!
//! [`ClientStream`] stands between the socket and the HTTP parser and does three things that the parser does not:
//!
//! - It hands over **one request at a time**. Bytes of a further, pipelined request wait until the present one is
//!   answered: the parser would otherwise remember the wrong request's method and version while it writes an answer.
//! - It **watches the clock** for the whole life of the connection: a head that does not arrive, a client that does not
//!   take its answer, a connection that nobody uses. A coarse tick does this, so that a request costs no timer.
//! - It **words the parser's own refusals** of what is not HTTP like every other refusal.

mod gate;
mod watch;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub(crate) use self::gate::{Connection, Expected};
use self::watch::Watch;
use super::{GatewayConfig, Gauges, rejection};

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
        let passed = self.connection.pass(&held[..room]);
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
        let passed = self.connection.pass(&out.filled()[before..]);
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
        if !this.connection.may_pass() {
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
        let written = if this.connection.is_answering() {
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
