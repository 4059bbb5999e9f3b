//! MQTT 5.

mod options;
mod properties;
mod reasons;

use jobber_actors::manifest::QualityOfService;
use jobber_actors::ports::{MqttMessage, PacketId, Publication, PublicationError, Subscription};
use jobber_actors::topic::TopicFilter;
use rumqttc_v5::mqttbytes::Error as PacketError;
use rumqttc_v5::{
    AsyncClient, ClientError, ConnAck, ConnectionError, Event as CrateEvent, EventLoop, ManualAck, Outgoing,
    Packet, PubAck, PubRec, Publish, PublishNoticeError, PublishOptions, QoS, RetainForwardRule, StateError,
    SubscribeFilter, SubscribeProperties, SubscribeReasonCode,
};

use super::dialect::{
    self, Answered, Dialect, Event, Granted, Plan, PublishLimits, Published, Unsent, Welcome, quality,
};
use super::session::SessionMemory;
use super::{LEAVE_TIMEOUT, MAX_PACKET_BYTES, WAITING_PACKETS, failure, publication};

/// MQTT 5.
pub(super) enum V5 {}

impl Dialect for V5 {
    type Client = Client;
    type Wire = Wire;

    fn open(plan: Plan<'_>) -> Result<(Client, Wire), String> {
        let memory = plan.role.memory();
        let (client, events) = AsyncClient::builder(options::options(plan)?)
            .capacity(WAITING_PACKETS)
            .try_build()
            .map_err(|error| error.to_string())?;
        Ok((Client(client), Wire { events, memory }))
    }
}

/// The event loop.
pub(super) struct Wire {
    events: EventLoop,
    /// Of the session, while the event loop does not have it.
    memory: Option<SessionMemory>,
}

impl dialect::Wire for Wire {
    fn next(&mut self) -> Result<Option<Event>, String> {
        let event = self.events.state.events.pop_front();
        event.map(|event| self.event(event)).transpose()
    }

    fn has_more(&self) -> bool {
        !self.events.state.events.is_empty()
    }

    async fn wait(&mut self) -> Result<Event, String> {
        let event = self.events.poll().await.map_err(describe)?;
        self.event(event)
    }
}

impl Wire {
    /// What this is to whoever polls.
    fn event(&mut self, event: CrateEvent) -> Result<Event, String> {
        Ok(match event {
            CrateEvent::Incoming(Packet::Publish(publish)) => {
                if publish.qos == QoS::ExactlyOnce
                    && let Some(memory) = self.memory.take()
                {
                    self.events.options.set_session_store(memory);
                }
                Event::Message(message(publish)?)
            }
            CrateEvent::Incoming(Packet::ConnAck(connack)) => {
                self.memory = self.memory.take().filter(SessionMemory::is_empty);
                if self.memory.is_some() {
                    self.events.options.clear_session_store();
                }
                Event::Connected(welcome(&connack))
            }
            CrateEvent::Outgoing(Outgoing::Disconnect) => Event::Disconnected,
            CrateEvent::Incoming(_) | CrateEvent::Outgoing(_) | CrateEvent::Auth(_) => Event::Other,
        })
    }
}

fn welcome(connack: &ConnAck) -> Welcome {
    let properties = connack.properties.as_ref();
    // What a broker does not mention it has.
    let has = |value: Option<u8>| value != Some(0);
    Welcome {
        session_present: connack.session_present,
        identifiers: has(properties.and_then(|said| said.subscription_identifiers_available)),
        limits: PublishLimits {
            packet_bytes: properties
                .and_then(|said| said.max_packet_size)
                .and_then(|bytes| usize::try_from(bytes).ok())
                .map_or(MAX_PACKET_BYTES, |bytes| bytes.min(MAX_PACKET_BYTES)),
            qos: properties
                .and_then(|said| said.max_qos)
                .and_then(QualityOfService::from_level)
                .unwrap_or(QualityOfService::ExactlyOnce),
            retain: has(properties.and_then(|said| said.retain_available)),
        },
    }
}

fn describe(error: ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => failure::io(&error),
        ConnectionError::Tls(error) => failure::tls(&error),
        ConnectionError::ConnectionRefused(code) => failure::refused(reasons::connect(code)),
        ConnectionError::MqttState(StateError::ConnectionAborted) => failure::closed(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => failure::silent(),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => {
            let reason = reasons::words(reason_code as u8);
            let told = reason_string
                .map(|text| format!(" ({})", failure::foreign(&text)))
                .unwrap_or_default();
            format!("the broker ended the connection: {reason}{told}")
        }
        ConnectionError::MqttState(StateError::Deserialization(error)) => match error {
            PacketError::Io(error) => failure::io(&error),
            PacketError::PayloadSizeLimitExceeded { pkt_size, max } => {
                failure::too_large(pkt_size, usize::try_from(max).unwrap_or(usize::MAX))
            }
            error => failure::protocol(error),
        },
        ConnectionError::Timeout(_) => "the broker does not answer any more".to_owned(),
        ConnectionError::Websocket(error) => format!("WebSocket: {error}"),
        ConnectionError::ResponseValidation(_) => {
            "the server answers WebSockets, but not for MQTT".to_owned()
        }
        ConnectionError::NotConnAck(_) => failure::protocol("it did not begin with a CONNACK"),
        error @ (ConnectionError::SessionStateMismatch { .. }
        | ConnectionError::MqttState(
            StateError::Unsolicited(_) | StateError::ProtocolViolation(_),
        )) => failure::protocol(error),
        error => error.to_string(),
    }
}

fn message(publish: Publish) -> Result<MqttMessage, String> {
    let (properties, subscriptions) = properties::received(publish.properties.unwrap_or_default());
    Ok(MqttMessage {
        topic: dialect::topic(&publish.topic)?,
        payload: dialect::payload(publish.payload),
        qos: quality(publish.qos),
        retain: publish.retain,
        duplicate: publish.dup,
        properties,
        packet: (publish.pkid != 0).then_some(PacketId(publish.pkid)),
        subscriptions,
    })
}

/// Gives the event loop something to do.
pub(super) struct Client(AsyncClient);

impl dialect::Client for Client {
    fn acknowledge(&self, packet: PacketId, qos: QualityOfService) -> Result<(), Unsent> {
        let ack = match qos {
            QualityOfService::AtMostOnce => return Ok(()),
            QualityOfService::AtLeastOnce => ManualAck::PubAck(PubAck::new(packet.0, None)),
            QualityOfService::ExactlyOnce => ManualAck::PubRec(PubRec::new(packet.0, None)),
        };
        self.0.try_manual_ack(ack).map_err(unsent)
    }

    fn subscribe(&self, subscriptions: &[Subscription], identifiers: bool) -> Result<Granted, Unsent> {
        let filters = subscriptions.iter().map(|subscription| SubscribeFilter {
            path: subscription.filter.as_str().to_owned(),
            qos: dialect::qos(subscription.qos),
            nolocal: false,
            // Whether a message was kept is told by its flag only if the broker clears it on all others.
            preserve_retain: false,
            retain_forward_rule: RetainForwardRule::OnNewSubscribe,
        });
        let identifier = subscriptions
            .first()
            .filter(|_| identifiers)
            .and_then(|subscription| usize::try_from(subscription.identifier).ok());
        let notice = match identifier {
            Some(identifier) => {
                let properties = SubscribeProperties {
                    id: Some(identifier),
                    user_properties: Vec::new(),
                };
                self.0
                    .try_subscribe_many_with_properties_tracked(filters, properties)
            }
            None => self.0.try_subscribe_many_tracked(filters),
        }
        .map_err(unsent)?;
        Ok(Box::pin(async move {
            let answer = notice.wait_async().await.ok()?;
            Some(answer.return_codes.into_iter().map(granted).collect())
        }))
    }

    fn unsubscribe(&self, filters: &[TopicFilter]) -> Result<Answered, Unsent> {
        let filters = filters.iter().map(TopicFilter::as_str);
        let notice = self.0.try_unsubscribe_many_tracked(filters).map_err(unsent)?;
        Ok(Box::pin(async move {
            if let Err(error) = notice.wait_async().await {
                tracing::debug!(%error, "an UNSUBSCRIBE had no answer");
            }
        }))
    }

    fn publish(&self, message: &Publication, limits: &PublishLimits) -> Result<Published, Unsent> {
        publication::check(message, limits).map_err(Unsent::Invalid)?;
        publication::check_properties(&message.properties).map_err(Unsent::Invalid)?;
        let (topic, qos) = (message.topic.as_str(), dialect::qos(message.qos));
        let properties = properties::to_send(&message.properties);
        let mut packet = Publish::new(topic, qos, message.payload.clone(), properties);
        // Where there will be one, for the size.
        packet.pkid = u16::from(message.qos != QualityOfService::AtMostOnce);
        publication::check_size(packet.size(), limits).map_err(Unsent::Invalid)?;
        let mut options = PublishOptions::new(qos).retain(message.retain);
        if let Some(properties) = packet.properties {
            options = options.properties(properties);
        }
        let notice = self
            .0
            .try_publish_tracked(topic, packet.payload, options)
            .map_err(unsent)?;
        Ok(Box::pin(async move {
            notice.wait_completion_async().await.map_err(publication_error)
        }))
    }

    fn leave(&self) -> Result<(), Unsent> {
        // Without an expiry of its own, the DISCONNECT leaves the session the one of CONNECT.
        self.0.try_disconnect_with_timeout(LEAVE_TIMEOUT).map_err(unsent)
    }
}

fn granted(code: SubscribeReasonCode) -> Result<QualityOfService, String> {
    match code {
        SubscribeReasonCode::Success(qos) => Ok(quality(qos)),
        refused => Err(reasons::subscribe(refused).to_owned()),
    }
}

fn publication_error(error: PublishNoticeError) -> PublicationError {
    let refused = |code: u8| PublicationError::Refused(reasons::words(code).to_owned());
    match error {
        PublishNoticeError::V5PubAck(reason) => refused(reason as u8),
        PublishNoticeError::V5PubRec(reason) => refused(reason as u8),
        // PUBCOMP knows one fault, that the broker has lost the exchange: it may or may not have the message.
        _ => PublicationError::Interrupted,
    }
}

fn unsent(error: ClientError) -> Unsent {
    match error {
        ClientError::RequestChannelFull(_) => Unsent::Full,
        // The request holds what was to be sent, which is not for logs.
        ClientError::InvalidRequest(_) => Unsent::Invalid("it breaks the rules of MQTT".to_owned()),
        error => Unsent::Invalid(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_publication_is_told_from_a_lost_one() {
        let told = publication_error(PublishNoticeError::V5PubAck(
            rumqttc_v5::PubAckReason::NotAuthorized,
        ));
        assert_eq!(told, PublicationError::Refused("not authorised".to_owned()));
        assert_eq!(
            publication_error(PublishNoticeError::Recv),
            PublicationError::Interrupted
        );
    }

    #[test]
    fn a_broker_that_says_nothing_takes_everything() {
        let said = welcome(&ConnAck {
            session_present: true,
            code: rumqttc_v5::ConnectReturnCode::Success,
            properties: None,
        });
        assert!(said.session_present && said.identifiers && said.limits.retain);
        assert_eq!(said.limits.qos, QualityOfService::ExactlyOnce);
        assert_eq!(said.limits.packet_bytes, MAX_PACKET_BYTES);
    }
}
