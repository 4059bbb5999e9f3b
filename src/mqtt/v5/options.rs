//! How a client of MQTT 5 connects.

use futures_util::future::BoxFuture;
use jobber_actors::manifest::MqttProtocol;
use jobber_actors::ports::BrokerSettings;
use rumqttc_v5::{
    AckMode, Broker, IncomingPacketSizeLimit, MqttOptions, PersistedAckMode, PersistedIncomingQos2,
    PersistedSession, SessionMode, SessionStore, SessionStoreError, SessionStoreKey, TlsConfiguration,
    Transport,
};
use secrecy::ExposeSecret;

use crate::mqtt::dialect::{self, Plan, Role};
use crate::mqtt::session::SessionMemory;
use crate::mqtt::socket::connect;
use crate::mqtt::{CONNECT_TIMEOUT, KEEP_ALIVE_SECONDS, READ_PACKETS, WAITING_PACKETS};

/// The crate's options for a connection.
///
/// # Errors
/// Why there is no such connection.
pub(super) fn options(plan: Plan<'_>) -> Result<MqttOptions, String> {
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
    let packet_limit = u32::try_from(settings.max_packet_bytes).unwrap_or(u32::MAX);
    options
        // A session that is not clean never expires by itself: a broker may be out of reach for longer than one thinks.
        .set_session_mode(if role.is_clean(settings) {
            SessionMode::Clean
        } else {
            SessionMode::Persistent
        })
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_connect_timeout(CONNECT_TIMEOUT)
        .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(packet_limit))
        .set_receive_maximum(Some(settings.receive_maximum.max(1)))
        .set_outgoing_inflight_upper_limit(role.window())
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
        (None, Some(password)) => {
            options.set_password(password.expose_secret().to_owned());
        }
        (Some(username), Some(password)) => {
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
            clean_start: false,
            session_expiry_interval: Some(u32::MAX),
            outgoing_inflight_upper_limit: Some(Role::Subscriber(self.clone()).window()),
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
