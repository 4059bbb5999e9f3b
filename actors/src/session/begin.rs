//! The first frame of an invocation.

use super::Session;
use super::outbound::WriteError;
use crate::invocation::{Input, Invocation};
use crate::protocol::{Flags, FrameKind, Invoke, Message};

impl Session {
    /// Writes the frame with which the runner is given an invocation, and all of its body or nothing of it.
    pub(super) fn begin(
        &self,
        invocation: &Invocation,
        stream: u32,
        timeout_ms: u64,
        body: &[u8],
        whole: bool,
    ) -> Result<(), WriteError> {
        let Invocation {
            id,
            attempt,
            trace,
            trigger,
            input,
            ..
        } = invocation;
        if let Input::Mqtt { mqtt } = input
            && self.takes_messages
            && whole
            && let Some(message) = Message::new((*id, *attempt), timeout_ms, trace, trigger, mqtt, body)
        {
            return self.outbound.append(|out| {
                message.write(out, stream);
                Ok(())
            });
        }
        let head = Invoke {
            id: *id,
            attempt: *attempt,
            timeout_ms,
            traceparent: Some(trace.traceparent()),
            tracestate: trace.state.as_ref(),
            trigger,
            input,
        };
        let flags = if whole { Flags::END } else { Flags::NONE };
        self.outbound.frame(FrameKind::Invoke, flags, stream, &head, body)
    }
}
