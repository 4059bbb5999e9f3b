//! The runner's end of a connection, frame by frame.

use bytes::BytesMut;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio_util::codec::Decoder;

use crate::protocol::{Flags, Frame, FrameCodec, FrameKind, write_frame};

/// Both directions of a connection, as a runner has them.
#[derive(Debug)]
pub struct Wire {
    /// What the manager says.
    pub reader: WireReader,
    /// What the runner says.
    pub writer: WireWriter,
}

/// What the manager says.
#[derive(Debug)]
pub struct WireReader {
    half: ReadHalf<DuplexStream>,
    input: BytesMut,
}

/// What the runner says.
#[derive(Debug)]
pub struct WireWriter(WriteHalf<DuplexStream>);

impl Wire {
    /// The runner's end of this pipe.
    #[must_use]
    pub fn new(stream: DuplexStream) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader: WireReader {
                half: reader,
                input: BytesMut::new(),
            },
            writer: WireWriter(writer),
        }
    }

    /// See [`WireWriter::send`].
    pub async fn send(
        &mut self,
        kind: FrameKind,
        flags: Flags,
        stream: u32,
        head: &impl Serialize,
        body: &[u8],
    ) -> bool {
        self.writer.send(kind, flags, stream, head, body).await
    }

    /// See [`WireReader::next`].
    pub async fn next(&mut self) -> Option<Frame> {
        self.reader.next().await
    }

    /// The next frame, which has to be of this kind; others are skipped.
    ///
    /// # Panics
    /// If the connection ends first.
    pub async fn expect(&mut self, kind: FrameKind) -> Frame {
        loop {
            let Some(frame) = self.next().await else {
                panic!("the connection ended before a {} frame", kind.name());
            };
            if frame.kind == kind {
                return frame;
            }
        }
    }
}

impl WireReader {
    /// The next frame; `None` at the end of the connection. Nothing is lost if the future is dropped.
    ///
    /// # Panics
    /// If the manager breaks the protocol.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = FrameCodec
                .decode(&mut self.input)
                .expect("the manager keeps to the protocol");
            if frame.is_some() {
                return frame;
            }
            match self.half.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

impl WireWriter {
    /// Says one frame. `false` when the connection is over.
    ///
    /// # Panics
    /// If the frame is larger than the protocol allows.
    pub async fn send(
        &mut self,
        kind: FrameKind,
        flags: Flags,
        stream: u32,
        head: &impl Serialize,
        body: &[u8],
    ) -> bool {
        let mut out = BytesMut::new();
        write_frame(&mut out, kind, flags, stream, head, body).expect("the frame fits");
        self.send_raw(&out).await
    }

    /// Says these bytes, whatever they mean. `false` when the connection is over.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }
}
