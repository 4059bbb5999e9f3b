//! The runner protocol (`docs/reference/protocol.md`): its frames and the JSON heads they carry.

mod frame;
mod heads;

pub use frame::{
    CHUNK_BYTES, FILE_CHUNK_BYTES, Flags, Frame, FrameCodec, FrameError, FrameKind, MAX_FRAME_BYTES,
    write_frame,
};
pub use heads::{
    Assign, AssignedJob, AssignedVersion, CallHead, CancelHead, CancelReason, CreditHead, Empty, FailedHead,
    FileHead, Hello, Invoke, LoadPhase, LogHead, Ready, Rejected, RunnerLimits, Shutdown, Welcome,
};

/// The protocol's version, said by both sides.
pub const PROTOCOL_VERSION: u32 = 1;
