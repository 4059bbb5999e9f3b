//! The first frame of a connection.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::codec::Decoder;

use crate::protocol::{FrameCodec, FrameError, FrameKind, Hello, PROTOCOL_VERSION};

/// HELLO must be complete after this.
const HELLO_TIME: Duration = Duration::from_secs(5);
/// Most bytes of HELLO, its length field included.
const HELLO_BYTES: usize = 4096;

/// Why a connection was not let in.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// Nothing, or not all of HELLO, came in time.
    #[error("no HELLO came within {} seconds", HELLO_TIME.as_secs())]
    TooSlow,
    /// HELLO is over 4 KiB.
    #[error("the HELLO is over {HELLO_BYTES} bytes")]
    TooLarge,
    /// The connection ended first.
    #[error("the connection ended before its HELLO")]
    Ended,
    /// The first frame is another one.
    #[error("the first frame is {0}, not HELLO")]
    NotHello(&'static str),
    /// Another version of the protocol.
    #[error("the runner speaks version {0} of the protocol; this server speaks {PROTOCOL_VERSION}")]
    Version(u32),
    /// The bytes are no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It had said nothing yet when others, from its address most of all, wanted its place.
    #[error("it had not said HELLO when more connections came than may wait")]
    Crowded,
    /// The token is not one that was given out, or was used before.
    #[error("the token is unknown or was used before")]
    Token,
}

/// Reads HELLO from a new connection.
///
/// # Errors
/// [`HandshakeError`]; the connection is then closed without a word.
pub async fn read_hello(socket: &mut (impl AsyncRead + Unpin)) -> Result<Hello, HandshakeError> {
    let frame = tokio::time::timeout(HELLO_TIME, read_frame(socket))
        .await
        .map_err(|_| HandshakeError::TooSlow)??;
    if frame.kind != FrameKind::Hello {
        return Err(HandshakeError::NotHello(frame.kind.name()));
    }
    let hello: Hello = frame.head()?;
    if hello.protocol != PROTOCOL_VERSION {
        return Err(HandshakeError::Version(hello.protocol));
    }
    Ok(hello)
}

async fn read_frame(socket: &mut (impl AsyncRead + Unpin)) -> Result<crate::protocol::Frame, HandshakeError> {
    let mut input = BytesMut::with_capacity(512);
    // Exactly one frame is read: what follows it belongs to the session's own reader.
    while input.len() < 4 {
        read_up_to(socket, &mut input, 4).await?;
    }
    let length = u32::from_be_bytes([input[0], input[1], input[2], input[3]]) as usize;
    if length + 4 > HELLO_BYTES {
        return Err(HandshakeError::TooLarge);
    }
    while input.len() < length + 4 {
        read_up_to(socket, &mut input, length + 4).await?;
    }
    FrameCodec.decode(&mut input)?.ok_or(HandshakeError::Ended)
}

async fn read_up_to(
    socket: &mut (impl AsyncRead + Unpin),
    input: &mut BytesMut,
    total: usize,
) -> Result<(), HandshakeError> {
    let missing = (total - input.len()) as u64;
    match (&mut *socket).take(missing).read_buf(input).await {
        Ok(0) => Err(HandshakeError::Ended),
        Ok(_) => Ok(()),
        Err(error) => Err(FrameError::from(error).into()),
    }
}
