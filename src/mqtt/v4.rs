//! MQTT 3.1.1.

use futures_util::future::BoxFuture;
use jobber_actors::manifest::{MqttProtocol, QualityOfService};
use jobber_actors::ports::{
    BrokerSettings, MessageProperties, MqttMessage, PacketId, Publication, PublicationError, Subscription,
};
use jobber_actors::topic::TopicFilter;
use rumqttc_v4::mqttbytes::Error as PacketError;
use rumqttc_v4::{
    AckMode, AsyncClient, Broker, ClientError, ConnectReturnCode, ConnectionError, Event as CrateEvent,
    EventLoop, ManualAck, MqttOptions, NetworkOptions, Outgoing, Packet, PersistedAckMode,
    PersistedIncomingQos2, PersistedSession, PubAck, PubRec, Publish, PublishOptions, QoS, SessionStore,
    SessionStoreError, SessionStoreKey, StateError, SubscribeFilter, SubscribeReasonCode, TlsConfiguration,
    Transport,
};
use secrecy::ExposeSecret;

use super::dialect::{
    self, Answered, Dialect, Event, Granted, Plan, PublishLimits, Published, Role, Unsent, Welcome, quality,
};
use super::session::SessionMemory;
use super::socket::connect;
use super::{
    KEEP_ALIVE_SECONDS, LEAVE_TIMEOUT, MAX_PACKET_BYTES, READ_PACKETS, WAITING_PACKETS, failure, publication,
};

/// Seconds that the crate gives one write, however large. (A broker that is gone is found by other means.)
const WRITE_SECONDS: u64 = 120;

/// MQTT 3.1.1.
pub(super) enum V4 {}

impl Dialect for V4 {
    type Client = Client;
    type Wire = Wire;

    fn open(plan: Plan<'_>) -> Result<(Client, Wire), String> {
        let packet_limit = plan.settings.max_packet_bytes;
        let memory = plan.role.memory();
        let options = options(plan)?;
        let (client, mut events) = AsyncClient::builder(options)
            .capacity(WAITING_PACKETS)
            .try_build()
            .map_err(|error| error.to_string())?;
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(WRITE_SECONDS);
        events.set_network_options(network);
        let wire = Wire {
            events,
            packet_limit,
            memory,
        };
        Ok((Client(client), wire))
    }
}

fn options(plan: Plan<'_>) -> Result<MqttOptions, String> {
    let Plan {
        settings,
        role,
        tls,
        socket,
    } = plan;
    let (broker, client_id) = (&settings.broker, &settings.client_id);
    let tls = tls.map(TlsConfiguration::Rustls);
    let mut options = match (broker.protocol, tls) {
        (MqttProtocol::Mqtts, Some(tls)) => {
            let mut options = MqttOptions::new(client_id, Broker::tcp(dialect::host(broker), broker.port));
            options.set_transport(Transport::tls_with_config(tls));
            options
        }
        (MqttProtocol::Wss, Some(tls)) => {
            MqttOptions::websocket_with_tls_config(client_id, dialect::url(broker), tls)
                .map_err(|error| error.to_string())?
        }
        (MqttProtocol::Ws, _) => {
            let broker = Broker::websocket(dialect::url(broker)).map_err(|error| error.to_string())?;
            MqttOptions::new(client_id, broker)
        }
        _ => MqttOptions::new(client_id, Broker::tcp(dialect::host(broker), broker.port)),
    };
    set_credentials(&mut options, broker);
    options
        .try_set_clean_session(role.is_clean(settings))
        .map_err(|error| error.to_string())?
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_max_packet_size(settings.max_packet_bytes, MAX_PACKET_BYTES)
        .set_inflight(role.window())
        .set_max_request_batch(WAITING_PACKETS)
        .set_read_batch_size(READ_PACKETS);
    if let Role::Subscriber(memory) = role {
        options.set_ack_mode(AckMode::Manual);
        options.set_session_store(memory);
    }
    let (host, port) = (dialect::host(broker).to_owned(), broker.port);
    options.set_socket_connector(move |_, _| {
        let (host, socket) = (host.clone(), socket.clone());
        async move { connect(&host, port, socket).await }
    });
    Ok(options)
}

fn set_credentials(options: &mut MqttOptions, broker: &BrokerSettings) {
    match (&broker.username, &broker.password) {
        (None, None) => {}
        (Some(username), None) => {
            options.set_username(username);
        }
        // This version knows no password without a name.
        (username, Some(password)) => {
            let username = username.clone().unwrap_or_default();
            options.set_credentials(username, password.expose_secret().to_owned());
        }
    }
}

impl SessionStore for SessionMemory {
    fn load<'a>(
        &'a self,
        key: &'a SessionStoreKey,
    ) -> BoxFuture<'a, Result<Option<PersistedSession>, SessionStoreError>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_session: false,
            max_inflight: Role::Subscriber(self.clone()).window(),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: self
                .acknowledged()
                .into_iter()
                .map(|pkid| PersistedIncomingQos2 { pkid })
                .collect(),
        };
        Box::pin(std::future::ready(Ok(Some(session))))
    }

    fn save<'a>(
        &'a self,
        _: &'a SessionStoreKey,
        session: &'a PersistedSession,
    ) -> BoxFuture<'a, Result<(), SessionStoreError>> {
        self.replace(session.incoming_qos2.iter().map(|packet| packet.pkid));
        Box::pin(std::future::ready(Ok(())))
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> BoxFuture<'a, Result<(), SessionStoreError>> {
        self.replace(std::iter::empty());
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The event loop.
pub(super) struct Wire {
    events: EventLoop,
    packet_limit: usize,
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
        let event = self.events.poll().await.map_err(|error| self.describe(error))?;
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
                    self.events.mqtt_options.set_session_store(memory);
                }
                Event::Message(message(publish)?)
            }
            CrateEvent::Incoming(Packet::ConnAck(connack)) => {
                self.memory = self.memory.take().filter(SessionMemory::is_empty);
                if self.memory.is_some() {
                    self.events.mqtt_options.clear_session_store();
                }
                Event::Connected(Welcome {
                    session_present: connack.session_present,
                    identifiers: false,
                    limits: PublishLimits {
                        packet_bytes: MAX_PACKET_BYTES,
                        qos: QualityOfService::ExactlyOnce,
                        retain: true,
                    },
                })
            }
            CrateEvent::Outgoing(Outgoing::Disconnect) => Event::Disconnected,
            CrateEvent::Incoming(_) | CrateEvent::Outgoing(_) => Event::Other,
        })
    }

    fn describe(&self, error: ConnectionError) -> String {
        match error {
            ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => {
                failure::io(&error)
            }
            ConnectionError::Tls(error) => failure::tls(&error),
            ConnectionError::ConnectionRefused(code) => failure::refused(refusal(code)),
            ConnectionError::MqttState(StateError::ConnectionAborted) => failure::closed(),
            ConnectionError::MqttState(StateError::AwaitPingResp) => failure::silent(),
            ConnectionError::MqttState(StateError::Deserialization(error)) => match error {
                PacketError::Io(error) => failure::io(&error),
                PacketError::PayloadSizeLimitExceeded(bytes) => failure::too_large(bytes, self.packet_limit),
                error => failure::protocol(error),
            },
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
                "the broker does not answer any more".to_owned()
            }
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
}

fn refusal(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::Success => "no reason given",
        ConnectReturnCode::RefusedProtocolVersion => "it does not speak MQTT 3.1.1",
        ConnectReturnCode::BadClientId => "it does not accept the client id",
        ConnectReturnCode::ServiceUnavailable => "it is not available",
        ConnectReturnCode::BadUserNamePassword => "the user name or the password is wrong",
        ConnectReturnCode::NotAuthorized => "not authorised (check user name and password)",
    }
}

fn message(publish: Publish) -> Result<MqttMessage, String> {
    Ok(MqttMessage {
        topic: dialect::topic(&publish.topic)?,
        payload: dialect::payload(publish.payload),
        qos: quality(publish.qos),
        retain: publish.retain,
        duplicate: publish.dup,
        properties: MessageProperties::default(),
        packet: (publish.pkid != 0).then_some(PacketId(publish.pkid)),
        subscriptions: Vec::new(),
    })
}

/// Gives the event loop something to do.
pub(super) struct Client(AsyncClient);

impl dialect::Client for Client {
    fn acknowledge(&self, packet: PacketId, qos: QualityOfService) -> Result<(), Unsent> {
        let ack = match qos {
            QualityOfService::AtMostOnce => return Ok(()),
            QualityOfService::AtLeastOnce => ManualAck::PubAck(PubAck::new(packet.0)),
            QualityOfService::ExactlyOnce => ManualAck::PubRec(PubRec::new(packet.0)),
        };
        self.0.try_manual_ack(ack).map_err(unsent)
    }

    fn subscribe(&self, subscriptions: &[Subscription], _: bool) -> Result<Granted, Unsent> {
        let filters = subscriptions.iter().map(|subscription| {
            SubscribeFilter::new(
                subscription.filter.as_str().to_owned(),
                dialect::qos(subscription.qos),
            )
        });
        let notice = self.0.try_subscribe_many_tracked(filters).map_err(unsent)?;
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
        let (topic, qos) = (message.topic.as_str(), dialect::qos(message.qos));
        let mut packet = Publish::from_bytes(topic, qos, message.payload.clone());
        // Where there will be one, for the size.
        packet.pkid = u16::from(message.qos != QualityOfService::AtMostOnce);
        publication::check_size(packet.size(), limits).map_err(Unsent::Invalid)?;
        let options = PublishOptions::new(qos).retain(message.retain);
        let notice = self
            .0
            .try_publish_tracked(topic, message.payload.clone(), options)
            .map_err(unsent)?;
        Ok(Box::pin(async move {
            // This version has no way to say no.
            match notice.wait_async().await {
                Ok(_) => Ok(()),
                Err(_) => Err(PublicationError::Interrupted),
            }
        }))
    }

    fn leave(&self) -> Result<(), Unsent> {
        self.0.try_disconnect_with_timeout(LEAVE_TIMEOUT).map_err(unsent)
    }
}

fn granted(code: SubscribeReasonCode) -> Result<QualityOfService, String> {
    match code {
        SubscribeReasonCode::Success(qos) => Ok(quality(qos)),
        SubscribeReasonCode::Failure => Err("the broker gives no reason (MQTT 3.1.1 knows none)".to_owned()),
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
