//! Making a connection.

use std::future;

use jobber_actors::ports::SessionSettings;
use tokio::time::{Instant, sleep_until, timeout};

use super::CONNECT_TIMEOUT;
use super::dialect::{Dialect, Event, Plan, Role, Welcome, Wire};
use super::failure;
use super::socket::Socket;
use crate::tls;

/// A connection whose client was let in.
pub(super) struct Connection<D: Dialect> {
    pub(super) client: D::Client,
    pub(super) wire: D::Wire,
    pub(super) welcome: Welcome,
    pub(super) socket: Socket,
}

impl<D: Dialect> Connection<D> {
    /// Connects.
    ///
    /// # Errors
    /// Why that failed, in words for people.
    pub(super) async fn make(settings: &SessionSettings, role: Role) -> Result<Self, String> {
        let broker = &settings.broker;
        let tls = if broker.protocol.is_tls() {
            Some(tls::client_config(broker.ca.clone()).await?)
        } else {
            None
        };
        let socket = Socket::default();
        let (client, mut wire) = D::open(Plan {
            settings,
            role,
            tls,
            socket: socket.clone(),
        })?;
        match timeout(CONNECT_TIMEOUT, wire.poll()).await {
            Ok(Ok(Event::Connected(welcome))) => Ok(Self {
                client,
                wire,
                welcome,
                socket,
            }),
            Ok(Ok(_)) => Err(failure::protocol("it did not begin with a CONNACK")),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(format!(
                "{}:{} did not let the client in within {} seconds",
                broker.host,
                broker.port,
                CONNECT_TIMEOUT.as_secs()
            )),
        }
    }
}

/// Waits for a moment; for ever if there is none.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => future::pending().await,
    }
}
