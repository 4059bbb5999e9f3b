//! What differs between the versions of MQTT, and so between the two crates, which have no type in common but a few.

use std::net::Ipv6Addr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jobber_actors::manifest::QualityOfService;
use jobber_actors::ports::{
    BrokerSettings, MqttMessage, PacketId, Publication, PublicationError, SessionSettings, Subscription,
};
use jobber_actors::topic::TopicFilter;
use rumqttc_v5::QoS;
use tokio_rustls::rustls::ClientConfig;

use super::failure;
use super::session::SessionMemory;
use super::socket::Socket;

/// Payloads of fewer bytes are copied out of the buffer that they arrived in.
const COPIED_BYTES: usize = 32 * 1024;

/// A version of MQTT.
pub(super) trait Dialect: Send + Sync + 'static {
    /// Gives the event loop something to do.
    type Client: Client;
    /// The event loop.
    type Wire: Wire;

    /// Makes both for one connection, which is not begun yet.
    ///
    /// # Errors
    /// Why the settings do not fit the protocol.
    fn open(plan: Plan<'_>) -> Result<(Self::Client, Self::Wire), String>;
}

/// What a connection is to be.
pub(super) struct Plan<'a> {
    pub(super) settings: &'a SessionSettings,
    pub(super) role: Role,
    /// For protocols with TLS.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) socket: Socket,
}

/// What a client is there for.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// To receive. It acknowledges by hand.
    Subscriber(SessionMemory),
    /// To send, in a clean session; at most so many publications at once.
    Publisher(u16),
    /// To begin a clean session, which ends the one that was there.
    Visitor,
}

impl Role {
    /// Whether the broker is to forget the session when the connection ends.
    pub(super) fn is_clean(&self, settings: &SessionSettings) -> bool {
        match self {
            Self::Subscriber(_) => settings.clean,
            Self::Publisher(_) | Self::Visitor => true,
        }
    }

    /// The memory of the session, if it has one.
    pub(super) fn memory(&self) -> Option<SessionMemory> {
        match self {
            Self::Subscriber(memory) => Some(memory.clone()),
            Self::Publisher(_) | Self::Visitor => None,
        }
    }

    /// Publications of the client's own that may be unacknowledged. The crates keep tables of this size and go through
    /// them whenever they write.
    pub(super) fn window(&self) -> u16 {
        match self {
            Self::Publisher(window) => *window,
            Self::Subscriber(_) | Self::Visitor => 1,
        }
    }
}

/// The event loop of a connection.
pub(super) trait Wire: Send {
    /// An event of the crate, which is there already.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    fn next(&mut self) -> Result<Option<Event>, String>;

    /// Whether there are more of these.
    fn has_more(&self) -> bool;

    /// Works until there is one, and gives it.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    fn wait(&mut self) -> impl Future<Output = Result<Event, String>> + Send;

    /// Works until something happened. The first call connects; after an error there must be no other. Must not be
    /// dropped while it waits, unless the whole connection is.
    ///
    /// # Errors
    /// How the connection ended, in words for people.
    fn poll(&mut self) -> impl Future<Output = Result<Event, String>> + Send {
        async {
            loop {
                // What is there already does not take the event loop, which would move each event twice more.
                let event = match self.next()? {
                    Some(event) => event,
                    None => self.wait().await?,
                };
                // One event tells of all packets that were sent at once: there is room for others now.
                if !matches!(event, Event::Other) || !self.has_more() {
                    return Ok(event);
                }
            }
        }
    }
}

/// Something happened on a connection.
pub(super) enum Event {
    /// The broker let the client in.
    Connected(Welcome),
    /// A message arrived.
    Message(MqttMessage),
    /// The client's DISCONNECT is written.
    Disconnected,
    /// Something that concerns the crate alone.
    Other,
}

/// What a broker says when it lets a client in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Welcome {
    /// Whether it remembers the session.
    pub(super) session_present: bool,
    /// Whether it can name subscriptions in the messages for them.
    pub(super) identifiers: bool,
    /// What it takes.
    pub(super) limits: PublishLimits,
}

/// What a broker takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PublishLimits {
    /// Most bytes of a packet.
    pub(super) packet_bytes: usize,
    /// The highest quality of service.
    pub(super) qos: QualityOfService,
    /// Whether it keeps messages for later subscribers.
    pub(super) retain: bool,
}

/// Why something was not given to the event loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// It has enough to do. It reports an event before it has room again.
    Full,
    /// It would break the protocol.
    Invalid(String),
}

/// What the broker granted each filter of a packet, or why not; nothing when the connection ended first.
pub(super) type Granted = BoxFuture<'static, Option<Vec<Result<QualityOfService, String>>>>;
/// Becomes ready when a packet was answered or the connection ended.
pub(super) type Answered = BoxFuture<'static, ()>;
/// What became of a publication.
pub(super) type Published = BoxFuture<'static, Result<(), PublicationError>>;

/// Gives an event loop something to do, without ever waiting.
pub(super) trait Client: Send + Sync {
    /// Acknowledges a message.
    fn acknowledge(&self, packet: PacketId, qos: QualityOfService) -> Result<(), Unsent>;

    /// Subscribes to all of these with one packet. Identifiers are only for packets of one subscription.
    fn subscribe(&self, subscriptions: &[Subscription], identifiers: bool) -> Result<Granted, Unsent>;

    /// Gives all of these up with one packet.
    fn unsubscribe(&self, filters: &[TopicFilter]) -> Result<Answered, Unsent>;

    /// Sends a message.
    fn publish(&self, publication: &Publication, limits: &PublishLimits) -> Result<Published, Unsent>;

    /// Takes leave behind all acknowledgements. The session stays as long as it was said to when the connection began.
    fn leave(&self) -> Result<(), Unsent>;
}

/// The crates' quality of service.
pub(super) const fn qos(qos: QualityOfService) -> QoS {
    match qos {
        QualityOfService::AtMostOnce => QoS::AtMostOnce,
        QualityOfService::AtLeastOnce => QoS::AtLeastOnce,
        QualityOfService::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// Ours.
pub(super) const fn quality(qos: QoS) -> QualityOfService {
    match qos {
        QoS::AtMostOnce => QualityOfService::AtMostOnce,
        QoS::AtLeastOnce => QualityOfService::AtLeastOnce,
        QoS::ExactlyOnce => QualityOfService::ExactlyOnce,
    }
}

/// A message's topic.
///
/// # Errors
/// When it is no UTF-8, which the protocol demands.
pub(super) fn topic(bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| failure::protocol("it sent a topic that is not UTF-8"))
}

/// A message's payload. A small one is copied: it would keep the whole buffer that it arrived in.
pub(super) fn payload(bytes: Bytes) -> Bytes {
    if bytes.len() < COPIED_BYTES {
        Bytes::copy_from_slice(&bytes)
    } else {
        bytes
    }
}

/// A broker's host. Around an address of IPv6 there may be brackets, as in a URL.
pub(super) fn host(broker: &BrokerSettings) -> &str {
    let host = broker.host.as_str();
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Where a broker takes WebSockets. The path is the one that brokers have by default.
pub(super) fn url(broker: &BrokerSettings) -> String {
    let (scheme, host, port) = (broker.protocol.scheme(), host(broker), broker.port);
    if host.parse::<Ipv6Addr>().is_ok() {
        format!("{scheme}://[{host}]:{port}/mqtt")
    } else {
        format!("{scheme}://{host}:{port}/mqtt")
    }
}

#[cfg(test)]
mod tests {
    use jobber_actors::manifest::{MqttProtocol, MqttVersion};

    use super::*;

    #[test]
    fn hosts_and_addresses_make_urls() {
        let url_of = |protocol, host: &str| {
            url(&BrokerSettings {
                protocol,
                host: host.to_owned(),
                port: 8_083,
                version: MqttVersion::V5,
                username: None,
                password: None,
                ca: None,
            })
        };
        assert_eq!(
            url_of(MqttProtocol::Ws, "broker.example"),
            "ws://broker.example:8083/mqtt"
        );
        assert_eq!(
            url_of(MqttProtocol::Wss, "127.0.0.1"),
            "wss://127.0.0.1:8083/mqtt"
        );
        assert_eq!(url_of(MqttProtocol::Ws, "::1"), "ws://[::1]:8083/mqtt");
        assert_eq!(url_of(MqttProtocol::Ws, "[::1]"), "ws://[::1]:8083/mqtt");
    }

    #[test]
    fn a_topic_that_is_no_text_breaks_the_protocol() {
        assert_eq!(topic("größe".as_bytes()).unwrap(), "größe");
        assert!(topic(b"\xff").unwrap_err().contains("not UTF-8"));
    }
}
