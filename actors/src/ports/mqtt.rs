//! MQTT brokers: what speaks the protocol. Which messages are taken, when they are acknowledged and when a lost
//! connection is tried again is decided by the tree ([`crate::mqtt`]).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::manifest::{MqttProtocol, MqttVersion, QualityOfService};
use crate::topic::TopicFilter;

/// How to reach a broker and log in there.
#[derive(Clone)]
pub struct BrokerSettings {
    /// What is spoken.
    pub protocol: MqttProtocol,
    /// Host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The version of MQTT.
    pub version: MqttVersion,
    /// The user's name.
    pub username: Option<String>,
    /// The user's password. Neither `Debug` nor anything else shows it.
    pub password: Option<SecretString>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Option<String>,
}

impl BrokerSettings {
    fn parts(&self) -> impl PartialEq + '_ {
        (
            (self.protocol, &self.host, self.port, self.version),
            (&self.username, &self.ca),
            self.password.as_ref().map(ExposeSecret::expose_secret),
        )
    }
}

impl PartialEq for BrokerSettings {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl fmt::Display for BrokerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.protocol.scheme(), self.host, self.port)
    }
}

impl fmt::Debug for BrokerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerSettings")
            .field("broker", &format_args!("{self}"))
            .field("version", &self.version)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A client's session with a broker.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionSettings {
    /// The broker.
    pub broker: BrokerSettings,
    /// What the broker knows the client by.
    pub client_id: String,
    /// Whether the broker forgets the session when the connection ends.
    pub clean: bool,
    /// MQTT 5: most messages that the broker may send without an acknowledgement.
    pub receive_maximum: u16,
    /// Most bytes of a packet from the broker.
    pub max_packet_bytes: usize,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The filter, with its `$share/<group>/` if it has one.
    pub filter: TopicFilter,
    /// The quality of service asked for.
    pub qos: QualityOfService,
    /// MQTT 5: what the broker names the subscription by in the messages that it sends for it; 1 to 268,435,455.
    pub identifier: u32,
}

/// The properties of a message, of MQTT 5; all absent in MQTT 3.1.1. The form is that of the runner protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageProperties {
    /// What the payload is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Where an answer is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_topic: Option<String>,
    /// What an answer has to carry.
    #[serde(skip_serializing_if = "Option::is_none", with = "super::base64::option")]
    pub correlation_data: Option<Bytes>,
    /// 1: the payload is UTF-8 text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_format_indicator: Option<u8>,
    /// Seconds after which the message means nothing any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_expiry_interval: Option<u32>,
    /// Names and values of the sender's own, in its order; names may repeat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_properties: Vec<(String, String)>,
}

/// The number by which a message of QoS 1 or 2 is acknowledged, within one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketId(pub u16);

/// A message from a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttMessage {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// The quality of service with which it was delivered.
    pub qos: QualityOfService,
    /// Whether the broker had kept it.
    pub retain: bool,
    /// Whether it may have come before.
    pub duplicate: bool,
    /// Its properties.
    pub properties: MessageProperties,
    /// What it is acknowledged by; `None` for QoS 0.
    pub packet: Option<PacketId>,
    /// MQTT 5: the subscriptions for which the broker sends it, if it says so.
    pub subscriptions: Vec<u32>,
}

/// A message to a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Bytes,
    /// How hard it is delivered.
    pub qos: QualityOfService,
    /// Whether the broker is to keep it for later subscribers.
    pub retain: bool,
    /// Its properties; left out in MQTT 3.1.1.
    pub properties: MessageProperties,
}

/// Whether a message was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It will be acknowledged in time, or needs no acknowledgement.
    Yes,
    /// The same, but there should be no more for now: what has not been read is left to the network until there is
    /// [room](SubscriberLine::room). What was read already is still taken, within limits.
    Last,
    /// There is no room for it: the connection is to be dropped, so that the broker keeps it and sends it again.
    NoRoom,
}

/// What the broker said to a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionAnswer {
    /// Which one.
    pub filter: TopicFilter,
    /// The quality of service that was granted, or why it was refused.
    pub granted: Result<QualityOfService, String>,
}

/// What a connection of a subscriber is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriberCommand {
    /// Acknowledge these, in this order.
    Acknowledge(Vec<(PacketId, QualityOfService)>),
    /// Subscribe to these.
    Subscribe(Vec<Subscription>),
    /// Give these up.
    Unsubscribe(Vec<TopicFilter>),
    /// Take leave, keeping the session.
    Leave,
}

/// The tree's end of a subscriber's connection.
#[async_trait]
pub trait SubscriberLine: Send + Sync {
    /// The broker let the client in. `session_present` says whether it remembers the client's session.
    fn connected(&self, session_present: bool);

    /// A message arrived. Never waits.
    fn message(&self, message: MqttMessage) -> Taken;

    /// The broker answered a [`SubscriberCommand::Subscribe`].
    fn subscribed(&self, answers: Vec<SubscriptionAnswer>);

    /// Waits for what is to be done next. May be dropped while it waits without losing anything.
    async fn command(&self) -> SubscriberCommand;

    /// Waits, after [`Taken::Last`], until there is room again.
    async fn room(&self);
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MqttEnd {
    /// As the line asked for.
    #[error("it was closed")]
    Left,
    /// The line had no room for a message.
    #[error("more messages came than may be unacknowledged")]
    NoRoom,
    /// The broker could not be reached, refused the client, broke the protocol or went away.
    #[error("{0}")]
    Failed(String),
}

/// A client that receives. It lives over many connections and keeps what of the session must outlive one.
#[async_trait]
pub trait Subscriber: Send {
    /// Connects, and serves the line until the connection ends.
    async fn run(&mut self, line: &dyn SubscriberLine) -> MqttEnd;
}

/// The number of a publication within its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationId(pub u64);

/// Why a broker did not take a publication.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicationError {
    /// The connection ended before the broker acknowledged it: it may have arrived. It can be sent again.
    #[error("the connection ended before the broker acknowledged it")]
    Interrupted,
    /// The broker said no.
    #[error("the broker refused it: {0}")]
    Refused(String),
}

/// The tree's end of a publisher's connection.
#[async_trait]
pub trait PublisherLine: Send + Sync {
    /// The broker let the client in.
    fn connected(&self);

    /// Waits for the next publication to send; `None` to take leave. May be dropped while it waits without losing anything.
    async fn next(&self) -> Option<(PublicationId, Publication)>;

    /// What became of a publication.
    fn published(&self, id: PublicationId, result: Result<(), PublicationError>);
}

/// A client that sends.
#[async_trait]
pub trait Publisher: Send {
    /// Connects, and sends what the line has, in order, until the connection ends.
    async fn run(&mut self, line: &dyn PublisherLine) -> MqttEnd;
}

/// Makes clients of MQTT brokers.
#[async_trait]
pub trait MqttClients: Send + Sync + 'static {
    /// A client that receives, not connected yet.
    fn subscriber(&self, settings: SessionSettings) -> Box<dyn Subscriber>;

    /// A client that sends, not connected yet. Its sessions are clean ones.
    fn publisher(&self, settings: SessionSettings) -> Box<dyn Publisher>;

    /// Has the broker forget a session, with all that it keeps for it.
    ///
    /// # Errors
    /// [`MqttEnd`] when the broker could not be told within `deadline`.
    async fn forget(&self, settings: SessionSettings, deadline: Duration) -> Result<(), MqttEnd>;
}
