//! Clients of MQTT brokers, over the crates `rumqttc-v4-next` (MQTT 3.1.1) and `rumqttc-v5-next` (MQTT 5).
//!
//! Each connection has an event loop of its own, which is dropped with it: nothing that was meant for one connection can
//! reach the next, and the crates' reconnecting, with which they would go on by themselves, never comes to pass. What of a
//! session must outlive a connection is little, since a subscriber never publishes: see [`session`].

mod connection;
mod dialect;
mod failure;
mod forget;
mod publication;
mod publisher;
mod requests;
mod session;
mod socket;
mod subscriber;

mod v4;
mod v5;

use std::time::Duration;

use async_trait::async_trait;
use jobber_actors::manifest::MqttVersion;
use jobber_actors::ports::{MqttClients, MqttEnd, Publisher, SessionSettings, Subscriber};

use publisher::SendingClient;
use subscriber::ReceivingClient;
use v4::V4;
use v5::V5;

/// How long a broker may take from the first packet of TCP until it lets the client in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds without a packet after which the broker is asked whether it is there; it has as long to answer.
const KEEP_ALIVE_SECONDS: u16 = 30;
/// Without reading for longer, a broker's answer to a ping would be missed.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long taking leave may take: acknowledgements and what is under way are waited for that long.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Packets that may wait for the event loop, and that it writes at once.
const WAITING_PACKETS: usize = 128;
/// Packets that are read at once. All of them are in memory before the first is looked at.
const READ_PACKETS: usize = 32;
/// Most bytes of a packet: what MQTT's length prefix can say.
const MAX_PACKET_BYTES: usize = 268_435_455;

/// Makes clients of MQTT brokers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RumqttClients;

#[async_trait]
impl MqttClients for RumqttClients {
    fn subscriber(&self, settings: SessionSettings) -> Box<dyn Subscriber> {
        match settings.broker.version {
            MqttVersion::V311 => Box::new(ReceivingClient::<V4>::new(settings)),
            MqttVersion::V5 => Box::new(ReceivingClient::<V5>::new(settings)),
        }
    }

    fn publisher(&self, settings: SessionSettings) -> Box<dyn Publisher> {
        match settings.broker.version {
            MqttVersion::V311 => Box::new(SendingClient::<V4>::new(settings)),
            MqttVersion::V5 => Box::new(SendingClient::<V5>::new(settings)),
        }
    }

    async fn forget(&self, settings: SessionSettings, deadline: Duration) -> Result<(), MqttEnd> {
        match settings.broker.version {
            MqttVersion::V311 => forget::forget::<V4>(settings, deadline).await,
            MqttVersion::V5 => forget::forget::<V5>(settings, deadline).await,
        }
    }
}
