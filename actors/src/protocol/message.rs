//! MESSAGE: an invocation with a message of MQTT, in few bytes that are read in no time. Messages come by the hundred
//! thousand each second, and writing and reading JSON would be the larger part of what each of them costs.

use bytes::{BufMut, BytesMut};

use super::frame::{CHUNK_BYTES, Flags, FrameKind, put_prefix};
use crate::domain::InvocationId;
use crate::invocation::{MqttInput, TriggerRef};
use crate::ports::MessageProperties;
use crate::trace::TraceContext;

/// What a runner that takes MESSAGEs names in `accepts` of its HELLO.
pub const MESSAGE: &str = "message";

/// Bytes of what has the same length in every message.
const FIXED_BYTES: usize = 64;

/// Bits of the first byte; the quality of service is in the two lowest.
const RETAIN: u8 = 0x04;
const DUPLICATE: u8 = 0x08;
const SAMPLED: u8 = 0x10;

/// A first attempt at a message that has nothing but what every message has.
#[derive(Debug)]
pub struct Message<'a> {
    id: InvocationId,
    timeout_ms: u32,
    trace: &'a TraceContext,
    trigger: &'a TriggerRef,
    name: &'a str,
    mqtt: &'a MqttInput,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message, if it is one that such a frame can carry; else it takes an INVOKE.
    #[must_use]
    pub fn new(
        (id, attempt): (InvocationId, u32),
        timeout_ms: u64,
        trace: &'a TraceContext,
        trigger: &'a TriggerRef,
        mqtt: &'a MqttInput,
        payload: &'a [u8],
    ) -> Option<Self> {
        // No name has length 0 here.
        let name = match trigger.name.as_deref() {
            Some("") => return None,
            name => name.unwrap_or_default(),
        };
        let message = Self {
            id,
            timeout_ms: u32::try_from(timeout_ms).ok()?,
            trace,
            trigger,
            name,
            mqtt,
            payload,
        };
        let fits = name.len() <= usize::from(u8::MAX)
            && mqtt.topic.len() <= usize::from(u16::MAX)
            && message.body_bytes() <= CHUNK_BYTES;
        let plain = attempt == 1 && trace.state.is_none() && mqtt.properties == MessageProperties::default();
        (fits && plain).then_some(message)
    }

    fn body_bytes(&self) -> usize {
        FIXED_BYTES + self.name.len() + self.mqtt.topic.len() + self.payload.len()
    }

    /// Appends the frame to `out`.
    pub fn write(&self, out: &mut BytesMut, stream: u32) {
        let body = self.body_bytes();
        out.reserve(body + FIXED_BYTES);
        put_prefix(out, FrameKind::Message, Flags::END, stream, 0, body);
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        let qos = self.mqtt.qos.level();
        let (retain, duplicate) = (bit(self.mqtt.retain, RETAIN), bit(self.mqtt.duplicate, DUPLICATE));
        let mut fixed = [0; FIXED_BYTES];
        let mut rest = &mut fixed[..];
        rest.put_u8(qos | retain | duplicate | bit(self.trace.sampled, SAMPLED));
        rest.put_u32(self.timeout_ms);
        rest.put_slice(self.id.as_uuid().as_bytes());
        rest.put_u128(self.trace.trace.number());
        rest.put_u64(self.trace.span.number());
        rest.put_slice(self.trigger.id.as_uuid().as_bytes());
        // Both lengths were looked at when this was made.
        rest.put_u8(u8::try_from(self.name.len()).unwrap_or(u8::MAX));
        rest.put_u16(u16::try_from(self.mqtt.topic.len()).unwrap_or(u16::MAX));
        out.put_slice(&fixed);
        out.put_slice(self.name.as_bytes());
        out.put_slice(self.mqtt.topic.as_bytes());
        out.put_slice(self.payload);
    }
}
