//! The options of MQTT connections.

use jobber_actors::manifest::ByteSize;

use super::parse::{bytes, positive};
use super::reader::Reader;

/// What a connection to a broker may hold.
#[derive(Clone, Debug)]
pub struct MqttSection {
    /// Most messages that are not finished.
    pub max_unacked: usize,
    /// Most bytes of them.
    pub max_unacked_bytes: ByteSize,
    /// Most bytes of one message.
    pub max_message: ByteSize,
}

impl MqttSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let max_unacked = reader.take("MQTT_MAX_UNACKED", positive);
        let max_unacked_bytes = reader.take("MQTT_MAX_UNACKED_BYTES", bytes);
        let max_message = reader.take("MQTT_MAX_MESSAGE", bytes);
        Some(Self {
            max_unacked: max_unacked?,
            max_unacked_bytes: max_unacked_bytes?,
            max_message: max_message?,
        })
    }
}
