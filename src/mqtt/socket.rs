//! The TCP connection below everything: finding the host, connecting with clear errors, writing many small packets with
//! one system call, and closing without losing any.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use super::CONNECT_TIMEOUT;

/// Addresses of a host that are tried, one after the other.
const MAX_ADDRESSES: usize = 8;
/// Milliseconds after which the system gives a connection up on which nothing arrives that was written.
const UNACKNOWLEDGED_MILLISECONDS: u32 = 60_000;
/// Read from the system at once. The event loops ask for 8 KiB, which is a system call for every eighth message of 1 KiB.
const READ_BYTES: usize = 32 * 1024;
/// Most bytes that wait for others to be written with them.
const MAX_WAITING_BYTES: usize = 8 * 1024;
/// Reads after which what waits is written although there is still more to read.
const READS_BEFORE_WRITE: u32 = 16;

/// Connects to a host.
///
/// # Errors
/// With the address and the reason in words.
pub(super) async fn connect(host: &str, port: u16, socket: Socket) -> io::Result<CorkedStream> {
    let found = lookup_host((host, port))
        .await
        .map_err(|error| io::Error::other(format!("the host name `{host}` can not be resolved: {error}")))?;
    let addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failures = Vec::new();
    for address in addresses {
        let failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return CorkedStream::new(stream, socket),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                format!("nothing listens on {address} (connection refused)")
            }
            Ok(Err(error)) => format!("{address} can not be reached: {error}"),
            Err(_) => format!("{address} did not answer within {} seconds", share.as_secs_f32()),
        };
        failures.push(failure);
    }
    if failures.is_empty() {
        failures.push(format!("the host name `{host}` has no address"));
    }
    Err(io::Error::other(failures.join("; ")))
}

/// A connection's socket, beside the event loop that has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Socket(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    uncorked: AtomicBool,
    /// Nothing is read for now: the network holds the other side back.
    paused: AtomicBool,
    /// Who wants to read meanwhile.
    reader: AtomicWaker,
    end: Mutex<Option<End>>,
}

/// The other handle of the same socket, and what the event loop left unwritten.
#[derive(Debug)]
struct End {
    stream: std::net::TcpStream,
    unwritten: Vec<u8>,
}

impl Socket {
    /// From now on, a flush writes at once.
    pub(super) fn uncork(&self) {
        self.0.uncorked.store(true, Ordering::Relaxed);
    }

    /// From now on nothing is read. What is written goes out all the same.
    pub(super) fn pause(&self) {
        self.0.paused.store(true, Ordering::Release);
    }

    /// From now on there is reading again.
    pub(super) fn read_on(&self) {
        self.0.paused.store(false, Ordering::Release);
        self.0.reader.wake();
    }

    fn is_paused(&self, cx: &Context<'_>) -> bool {
        // Registered before the look, so that a change between the two is not missed.
        self.0.paused.load(Ordering::Acquire) && {
            self.0.reader.register(cx.waker());
            self.0.paused.load(Ordering::Acquire)
        }
    }

    /// Closes the connection whose event loop is gone, in a way that lets the broker read all that was written: when a
    /// socket is closed that has something to read, the system tells the other side to throw away what it has not read.
    /// So this waits for the broker to close, too, but not for longer than `by`.
    pub(super) async fn close(self, by: Instant) {
        let end = self.0.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(End { stream, unwritten }) = end else {
            return;
        };
        let close = async {
            let mut stream = TcpStream::from_std(stream)?;
            stream.write_all(&unwritten).await?;
            stream.shutdown().await?;
            let mut ignored = [0; 4096];
            while stream.read(&mut ignored).await? > 0 {}
            io::Result::Ok(())
        };
        match timeout_at(by, close).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection to a broker did not close well"),
            Err(_) => tracing::debug!("a broker did not close its side of a connection in time"),
        }
    }
}

/// A TCP connection that, while it is corked, writes when there is nothing more to read.
///
/// The event loops flush each acknowledgement by itself. But whenever they have nothing to do they wait for something to
/// read, and only then is it time to write.
pub(super) struct CorkedStream {
    stream: BufReader<TcpStream>,
    waiting: Vec<u8>,
    reads: u32,
    socket: Socket,
}

impl CorkedStream {
    fn new(stream: TcpStream, socket: Socket) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // The pings find a dead broker too, but not while a write waits for it.
        rustix::net::sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MILLISECONDS)?;
        let end = End {
            stream: SockRef::from(&stream).try_clone()?.into(),
            unwritten: Vec::new(),
        };
        *socket.0.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        Ok(Self {
            stream: BufReader::with_capacity(READ_BYTES, stream),
            waiting: Vec::new(),
            reads: 0,
            socket,
        })
    }

    fn poll_write_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.waiting.drain(..written)),
            }
        }
        self.reads = 0;
        Poll::Ready(Ok(()))
    }
}

impl Drop for CorkedStream {
    fn drop(&mut self) {
        let mut end = self.socket.0.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = end.as_mut() {
            end.unwritten = std::mem::take(&mut self.waiting);
        }
    }
}

impl AsyncRead for CorkedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = if self.socket.is_paused(cx) {
            Poll::Pending
        } else {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        };
        self.reads += 1;
        if read.is_pending() || self.reads >= READS_BEFORE_WRITE {
            // What can not be written yet is tried again when this is woken, for one or the other.
            if let Poll::Ready(Err(error)) = self.poll_write_waiting(cx)
                && read.is_pending()
            {
                return Poll::Ready(Err(error));
            }
        }
        read
    }
}

impl AsyncWrite for CorkedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.waiting.len() + bytes.len() > MAX_WAITING_BYTES {
            ready!(self.poll_write_waiting(cx))?;
        }
        if bytes.len() > MAX_WAITING_BYTES {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        self.waiting.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.0.uncorked.load(Ordering::Relaxed) {
            ready!(self.poll_write_waiting(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_waiting(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (CorkedStream, TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = Socket::default();
        let (stream, peer) = tokio::join!(
            connect("127.0.0.1", address.port(), socket.clone()),
            listener.accept()
        );
        (stream.unwrap(), peer.unwrap().0, socket)
    }

    #[tokio::test]
    async fn small_writes_go_out_together_when_there_is_nothing_to_read() {
        let (mut stream, mut peer, _) = pair().await;
        for _ in 0..100 {
            stream.write_all(b"ack.").await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut received = [0; 1_000];
        let nothing = peer.try_read(&mut received).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);

        let mut byte = [0; 1];
        tokio::select! {
            biased;
            read = stream.read(&mut byte) => panic!("nothing was sent, but {read:?} came"),
            read = peer.read(&mut received) => assert_eq!(read.unwrap(), 400),
        }
    }

    #[tokio::test]
    async fn a_large_write_comes_behind_the_small_ones_before_it() {
        let (mut stream, mut peer, _) = pair().await;
        stream.write_all(b"small").await.unwrap();
        let large = vec![b'x'; MAX_WAITING_BYTES + 1];
        stream.write_all(&large).await.unwrap();
        let mut received = vec![0; 5 + large.len()];
        peer.read_exact(&mut received).await.unwrap();
        assert!(received.starts_with(b"smallx"));
    }

    #[tokio::test]
    async fn uncorked_a_flush_writes() {
        let (mut stream, mut peer, socket) = pair().await;
        stream.write_all(b"bye").await.unwrap();
        socket.uncork();
        stream.flush().await.unwrap();
        let mut received = [0; 3];
        peer.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"bye");
    }

    #[tokio::test]
    async fn a_paused_connection_writes_and_reads_only_when_it_goes_on() {
        let (mut stream, mut peer, socket) = pair().await;
        socket.pause();
        peer.write_all(b"later").await.unwrap();
        stream.write_all(b"ack.").await.unwrap();
        let mut received = [0; 5];
        let mut read = std::pin::pin!(stream.read_exact(&mut received));
        let mut acknowledged = [0; 4];
        tokio::select! {
            biased;
            read = &mut read => panic!("it is paused, and {read:?} came"),
            written = peer.read_exact(&mut acknowledged) => assert_eq!(written.unwrap(), 4),
        }
        socket.read_on();
        read.await.unwrap();
        assert_eq!(&received, b"later");
    }

    #[tokio::test]
    async fn what_is_written_arrives_although_there_is_something_to_read() {
        let (mut stream, mut peer, socket) = pair().await;
        peer.write_all(b"unread").await.unwrap();
        stream.stream.get_ref().readable().await.unwrap();
        stream.write_all(b"last words").await.unwrap();
        drop(stream);
        let peer = async move {
            let mut received = [0; 10];
            peer.read_exact(&mut received).await.unwrap();
            assert_eq!(&received, b"last words");
            assert_eq!(peer.read(&mut received).await.unwrap(), 0, "then it is closed");
        };
        let patience = Instant::now() + Duration::from_secs(10);
        tokio::join!(peer, socket.close(patience));
        assert!(Instant::now() < patience);
    }

    #[tokio::test]
    async fn the_address_that_refuses_and_the_name_that_is_none_are_told() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let refused = connect("127.0.0.1", port, Socket::default()).await.err().unwrap();
        assert_eq!(
            refused.to_string(),
            format!("nothing listens on 127.0.0.1:{port} (connection refused)")
        );
        let unknown = connect("no-such-host.invalid", 1, Socket::default())
            .await
            .err()
            .unwrap();
        assert!(
            unknown
                .to_string()
                .starts_with("the host name `no-such-host.invalid` can not be resolved"),
            "{unknown}"
        );
    }
}
