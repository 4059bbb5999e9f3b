//! Frames as bytes: `u32 length | u8 type | u8 flags | u32 stream | u16 head length | head | body`, big-endian.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::codec::Decoder;

/// Most bytes of a frame after its length field.
pub const MAX_FRAME_BYTES: usize = 1_048_576;
/// Most bytes of a body part in one frame.
pub const CHUNK_BYTES: usize = 65_536;
/// Most bytes of a file part in one frame.
pub const FILE_CHUNK_BYTES: usize = 262_144;

const LENGTH_FIELD: usize = 4;
const FIXED_PART: usize = 8;

macro_rules! frame_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// What a frame says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FrameKind { $($(#[$doc])* $name,)* }

        impl FrameKind {
            /// The type byte.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// The kind of this type byte.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The name in the protocol's table.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

frame_kinds! {
    /// The runner proves itself.
    Hello = 0x01, "HELLO";
    /// The manager accepts it.
    Welcome = 0x02, "WELCOME";
    /// The manager says what to run.
    Assign = 0x03, "ASSIGN";
    /// A file begins.
    File = 0x04, "FILE";
    /// A file goes on.
    FileData = 0x05, "FILE_DATA";
    /// All files were sent.
    Load = 0x06, "LOAD";
    /// The handler was imported.
    Ready = 0x07, "READY";
    /// The handler could not be imported.
    Rejected = 0x08, "REJECTED";
    /// An invocation begins.
    Invoke = 0x10, "INVOKE";
    /// A body goes on.
    Data = 0x11, "DATA";
    /// The receiver of a body took some of it.
    Credit = 0x12, "CREDIT";
    /// Nobody waits for the answer any more.
    Cancel = 0x13, "CANCEL";
    /// The handler answers.
    Response = 0x14, "RESPONSE";
    /// The handler finished.
    Settled = 0x15, "SETTLED";
    /// The handler threw.
    Failed = 0x16, "FAILED";
    /// The rest of the input is not wanted.
    StopReading = 0x18, "STOP_READING";
    /// An invocation with a message of MQTT begins.
    Message = 0x19, "MESSAGE";
    /// A log line.
    Log = 0x20, "LOG";
    /// The most memory that the runner has held.
    Memory = 0x21, "MEMORY";
    /// Are you there?
    Ping = 0x30, "PING";
    /// I am.
    Pong = 0x31, "PONG";
    /// The runner asks the manager for something.
    Call = 0x40, "CALL";
    /// The manager's answer.
    Result = 0x41, "RESULT";
    /// No invocation will follow.
    Drain = 0x50, "DRAIN";
    /// Exit.
    Shutdown = 0x51, "SHUTDOWN";
}

/// The flags byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The body that this stream carries in this direction is complete.
    pub const END: Self = Self(0x01);
    /// The handler has finished and the runner has forgotten the stream.
    pub const SETTLED: Self = Self(0x02);

    /// The flags as they came; unknown ones are kept and mean nothing.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The byte.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the body is complete.
    #[must_use]
    pub const fn is_end(self) -> bool {
        self.0 & Self::END.0 != 0
    }

    /// Whether the handler has finished.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        self.0 & Self::SETTLED.0 != 0
    }
}

/// One frame. `Debug` shows no content: bodies have the variables of jobs, and what callers send.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it says.
    pub kind: FrameKind,
    /// Its flags.
    pub flags: Flags,
    /// Its stream; 0 for the session itself.
    pub stream: u32,
    /// JSON; empty means `{}`.
    pub head: Bytes,
    /// Raw bytes.
    pub body: Bytes,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("flags", &self.flags)
            .field("stream", &self.stream)
            .field("head_bytes", &self.head.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length field is below the fixed part or above [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes; allowed are 8 to 1048576")]
    Length(usize),
    /// The head is longer than the frame.
    #[error("a head of {head} bytes in a frame that has room for {room}")]
    Head {
        /// What the head length field says.
        head: usize,
        /// What the frame holds.
        room: usize,
    },
    /// The type byte is not in the protocol's table.
    #[error("the unknown frame type {0:#04x}")]
    Kind(u8),
    /// The head is not the JSON that this type needs.
    #[error("the head of a {kind} frame: {reason}")]
    Json {
        /// The frame's name.
        kind: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// The other side is the one that sends such frames.
    #[error("a {0} frame is not this side's to send")]
    Direction(&'static str),
    /// A frame of this kind is not on such a stream.
    #[error("a {kind} frame on stream {stream}")]
    Stream {
        /// The frame's name.
        kind: &'static str,
        /// The stream it was on.
        stream: u32,
    },
    /// The body is larger than one of this kind may be.
    #[error("a {kind} frame with a body of {size} bytes; allowed are {limit}")]
    Body {
        /// The frame's name.
        kind: &'static str,
        /// Bytes.
        size: usize,
        /// Most bytes.
        limit: usize,
    },
    /// The connection failed or ended in the middle of a frame.
    #[error("the connection: {0}")]
    Connection(#[from] std::io::Error),
}

impl Frame {
    /// The head as the type that this kind of frame carries.
    ///
    /// # Errors
    /// [`FrameError::Json`] when it is not.
    pub fn head<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        let head: &[u8] = if self.head.is_empty() { b"{}" } else { &self.head };
        serde_json::from_slice(head).map_err(|error| FrameError::Json {
            kind: self.kind.name(),
            reason: error.to_string(),
        })
    }
}

/// Appends what a frame begins with, whose parts have these lengths.
pub(super) fn put_prefix(
    out: &mut BytesMut,
    kind: FrameKind,
    flags: Flags,
    stream: u32,
    head: u16,
    body: usize,
) {
    let length = FIXED_PART + usize::from(head) + body;
    let mut prefix = [0; LENGTH_FIELD + FIXED_PART];
    let mut rest = &mut prefix[..];
    // Whoever writes a frame has seen to it that it is not too long.
    rest.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    rest.put_u8(kind.code());
    rest.put_u8(flags.bits());
    rest.put_u32(stream);
    rest.put_u16(head);
    out.put_slice(&prefix);
}

/// Appends one frame to `out`.
///
/// # Errors
/// [`FrameError::Head`] when the head is over 65,535 bytes, [`FrameError::Length`] when all of it is over
/// [`MAX_FRAME_BYTES`]; `out` is unchanged then.
pub fn write_frame<T: Serialize>(
    out: &mut BytesMut,
    kind: FrameKind,
    flags: Flags,
    stream: u32,
    head: &T,
    body: &[u8],
) -> Result<(), FrameError> {
    let start = out.len();
    out.put_u32(0);
    out.put_u8(kind.code());
    out.put_u8(flags.bits());
    out.put_u32(stream);
    out.put_u16(0);
    let head_start = out.len();
    let written = serde_json::to_writer((&mut *out).writer(), head);
    let head_len = out.len() - head_start;
    let length = FIXED_PART + head_len + body.len();
    let refused = match (written, u16::try_from(head_len)) {
        (Err(error), _) => Some(FrameError::Json {
            kind: kind.name(),
            reason: error.to_string(),
        }),
        (Ok(()), Err(_)) => Some(FrameError::Head {
            head: head_len,
            room: usize::from(u16::MAX),
        }),
        (Ok(()), Ok(_)) if length > MAX_FRAME_BYTES => Some(FrameError::Length(length)),
        (Ok(()), Ok(head)) => {
            out[head_start - 2..head_start].copy_from_slice(&head.to_be_bytes());
            None
        }
    };
    if let Some(error) = refused {
        out.truncate(start);
        return Err(error);
    }
    let length = u32::try_from(length).map_err(|_| FrameError::Length(length))?;
    out[start..start + LENGTH_FIELD].copy_from_slice(&length.to_be_bytes());
    out.put_slice(body);
    Ok(())
}

/// Cuts frames out of a stream of bytes, without copying their parts.
#[derive(Debug, Default)]
pub struct FrameCodec;

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(length_field) = input.first_chunk::<LENGTH_FIELD>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length_field) as usize;
        if !(FIXED_PART..=MAX_FRAME_BYTES).contains(&length) {
            return Err(FrameError::Length(length));
        }
        if input.len() < LENGTH_FIELD + length {
            input.reserve(LENGTH_FIELD + length - input.len());
            return Ok(None);
        }
        if length == FIXED_PART {
            // Nothing that would share the buffer, and most of what a runner says.
            let mut rest = &input[LENGTH_FIELD..];
            let (code, flags, stream) = (rest.get_u8(), rest.get_u8(), rest.get_u32());
            let head = usize::from(rest.get_u16());
            if head > 0 {
                return Err(FrameError::Head { head, room: 0 });
            }
            input.advance(LENGTH_FIELD + FIXED_PART);
            return Ok(Some(Frame {
                kind: FrameKind::from_code(code).ok_or(FrameError::Kind(code))?,
                flags: Flags::from_bits(flags),
                stream,
                head: Bytes::new(),
                body: Bytes::new(),
            }));
        }
        let mut frame = input.split_to(LENGTH_FIELD + length).freeze();
        frame.advance(LENGTH_FIELD);
        let code = frame.get_u8();
        let flags = Flags::from_bits(frame.get_u8());
        let stream = frame.get_u32();
        let head = usize::from(frame.get_u16());
        if head > frame.len() {
            return Err(FrameError::Head {
                head,
                room: frame.len(),
            });
        }
        let kind = FrameKind::from_code(code).ok_or(FrameError::Kind(code))?;
        let head = frame.split_to(head);
        Ok(Some(Frame {
            kind,
            flags,
            stream,
            head,
            body: frame,
        }))
    }
}
