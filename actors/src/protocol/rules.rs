//! What a frame must look like whatever the session has come to: who may send it, on which stream, how large. What
//! depends on the session's state is the session's to check.

use serde::de::IgnoredAny;

use super::frame::{CHUNK_BYTES, FILE_CHUNK_BYTES, Frame, FrameError, FrameKind};

/// Most bytes of the body of an ASSIGN, a CALL or a RESULT.
pub const WHOLE_BODY_BYTES: usize = 1_000_000;
/// Most bytes of the body of a PING or a PONG.
const PING_BYTES: usize = 8;

/// One of the two that speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The manager.
    Manager,
    /// The runner.
    Runner,
}

impl FrameKind {
    /// Who may send it; `None` for both.
    const fn sender(self) -> Option<Side> {
        match self {
            Self::Hello
            | Self::Ready
            | Self::Rejected
            | Self::Response
            | Self::Settled
            | Self::Failed
            | Self::StopReading
            | Self::Log
            | Self::Memory
            | Self::Call => Some(Side::Runner),
            Self::Welcome
            | Self::Assign
            | Self::File
            | Self::FileData
            | Self::Load
            | Self::Invoke
            | Self::Message
            | Self::Cancel
            | Self::Result
            | Self::Drain
            | Self::Shutdown => Some(Side::Manager),
            Self::Data | Self::Credit | Self::Ping | Self::Pong => None,
        }
    }

    /// Whether a frame of this kind may be on this stream: 0 is the session, odd ones are invocations, even ones calls.
    const fn allows_stream(self, stream: u32) -> bool {
        match self {
            Self::Invoke
            | Self::Message
            | Self::Data
            | Self::Credit
            | Self::Cancel
            | Self::Response
            | Self::Settled
            | Self::Failed
            | Self::StopReading => stream % 2 == 1,
            Self::Call | Self::Result => stream > 0 && stream.is_multiple_of(2),
            _ => stream == 0,
        }
    }

    /// Most bytes of its body.
    const fn body_limit(self) -> usize {
        match self {
            Self::Assign | Self::Call | Self::Result => WHOLE_BODY_BYTES,
            Self::File | Self::FileData => FILE_CHUNK_BYTES,
            Self::Ping | Self::Pong => PING_BYTES,
            _ => CHUNK_BYTES,
        }
    }
}

impl Frame {
    /// Checks what holds for every frame of this kind.
    ///
    /// # Errors
    /// [`FrameError`] with the rule that it breaks.
    pub fn check(&self, from: Side) -> Result<(), FrameError> {
        let kind = self.kind.name();
        if self.kind.sender().is_some_and(|sender| sender != from) {
            return Err(FrameError::Direction(kind));
        }
        if !self.kind.allows_stream(self.stream) {
            return Err(FrameError::Stream {
                kind,
                stream: self.stream,
            });
        }
        if self.body.len() > self.kind.body_limit() {
            return Err(FrameError::Body {
                kind,
                size: self.body.len(),
                limit: self.kind.body_limit(),
            });
        }
        self.check_head()
    }

    /// A head is one JSON object.
    fn check_head(&self) -> Result<(), FrameError> {
        if self.head.is_empty() || *self.head == *b"{}" {
            return Ok(());
        }
        let refuse = |reason: String| FrameError::Json {
            kind: self.kind.name(),
            reason,
        };
        let text = std::str::from_utf8(&self.head).map_err(|error| refuse(error.to_string()))?;
        if !text.trim_start().starts_with('{') {
            return Err(refuse("it is not an object".into()));
        }
        serde_json::from_str::<IgnoredAny>(text)
            .map(drop)
            .map_err(|error| refuse(error.to_string()))
    }
}
