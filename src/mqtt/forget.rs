//! Having a broker forget a session.

use std::time::Duration;

use jobber_actors::ports::{MqttEnd, SessionSettings};
use tokio::time::timeout;

use super::connection::Connection;
use super::dialect::{Client, Dialect, Event, Role, Wire};

/// Begins a clean session with the client's id, and ends it.
///
/// # Errors
/// [`MqttEnd::Failed`] when the broker could not be told within the deadline.
pub(super) async fn forget<D: Dialect>(settings: SessionSettings, deadline: Duration) -> Result<(), MqttEnd> {
    match timeout(deadline, visit::<D>(&settings)).await {
        Ok(result) => result.map_err(MqttEnd::Failed),
        Err(_) => Err(MqttEnd::Failed(format!(
            "the broker did not answer within {} seconds",
            deadline.as_secs_f32()
        ))),
    }
}

async fn visit<D: Dialect>(settings: &SessionSettings) -> Result<(), String> {
    let Connection {
        client,
        mut wire,
        socket,
        ..
    } = Connection::<D>::make(settings, Role::Visitor).await?;
    socket.uncork();
    // From here on the session is gone, whether or not the broker sees a proper end.
    if client.leave().is_ok() {
        while !matches!(wire.poll().await, Ok(Event::Disconnected) | Err(_)) {}
    }
    Ok(())
}
