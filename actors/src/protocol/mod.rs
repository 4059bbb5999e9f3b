//! The runner protocol (`docs/reference/protocol.md`): its frames and the JSON heads they carry.

mod frame;
mod heads;
mod message;
mod rules;
#[cfg(test)]
mod tests;

pub use frame::{
    CHUNK_BYTES, FILE_CHUNK_BYTES, Flags, Frame, FrameCodec, FrameError, FrameKind, MAX_FRAME_BYTES,
    write_frame,
};
pub use heads::{
    Assign, AssignedJob, AssignedVersion, CallHead, CancelHead, CancelReason, CreditHead, Empty, FailedHead,
    FileHead, Hello, Invoke, LoadPhase, LogHead, MemoryHead, PublishHead, Ready, Rejected, RunnerLimits,
    Shutdown, Welcome,
};

pub use message::{MESSAGE, Message};
pub use rules::{Side, WHOLE_BODY_BYTES};

/// The protocol's version, said by both sides.
pub const PROTOCOL_VERSION: u32 = 1;
