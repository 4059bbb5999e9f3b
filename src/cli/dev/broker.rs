//! The broker that is lent to packages that name none.

use std::path::PathBuf;

use jobber_actors::manifest::{Manifest, TriggerKind};
use jobber_actors::mqtt::{LentBroker, SharedLentBroker};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::child::Spawner;
use crate::mosquitto::{Mosquitto, MosquittoError};

/// The port that MQTT clients try if they are told nothing; taken if it is free.
const USUAL_PORT: u16 = 1883;

/// Starts a Mosquitto when the first package wants it.
pub(super) struct BrokerLender {
    folder: PathBuf,
    spawner: Spawner,
    lent: SharedLentBroker,
    state: Mutex<State>,
}

enum State {
    NotWanted,
    Running(Mosquitto),
    /// Said once; what is installed meanwhile is found at the next start.
    Unavailable,
    Stopped,
}

impl BrokerLender {
    pub(super) fn new(folder: PathBuf, spawner: Spawner, lent: SharedLentBroker) -> Self {
        Self {
            folder,
            spawner,
            lent,
            state: Mutex::new(State::NotWanted),
        }
    }

    /// Lends a broker if a package with this manifest wants one.
    pub(super) async fn lend_to(&self, manifest: &Value) {
        if wants_broker(manifest) {
            self.lend().await;
        }
    }

    async fn lend(&self) {
        let mut state = self.state.lock().await;
        if !matches!(*state, State::NotWanted) {
            return;
        }
        *state = match self.start().await {
            Ok(mosquitto) => {
                let address = mosquitto.address();
                tracing::info!("started Mosquitto on {address} for packages that name no broker");
                self.lent.store(Some(
                    LentBroker {
                        host: address.ip().to_string(),
                        port: address.port(),
                    }
                    .into(),
                ));
                State::Running(mosquitto)
            }
            Err(error) => {
                tracing::error!("packages that name no broker get no messages: {error}");
                State::Unavailable
            }
        };
    }

    async fn start(&self) -> Result<Mosquitto, MosquittoError> {
        match Mosquitto::start(&self.folder, Some(USUAL_PORT), &self.spawner).await {
            Err(MosquittoError::PortTaken { .. }) => {
                Mosquitto::start(&self.folder, None, &self.spawner).await
            }
            started => started,
        }
    }

    /// Where it listens, if one was started.
    pub(super) fn address(&self) -> Option<String> {
        let lent = self.lent.load();
        lent.as_ref()
            .map(|lent| format!("mqtt://{}:{}", lent.host, lent.port))
    }

    /// Ends it; it keeps its sessions for the next start.
    pub(super) async fn stop(&self) -> std::io::Result<()> {
        let state = std::mem::replace(&mut *self.state.lock().await, State::Stopped);
        match state {
            State::Running(mosquitto) => mosquitto.stop().await,
            State::NotWanted | State::Unavailable | State::Stopped => Ok(()),
        }
    }
}

/// Whether a package has an MQTT trigger that names no broker. What is wrong with the package is told when it is published.
fn wants_broker(manifest: &Value) -> bool {
    Manifest::check(manifest).is_ok_and(|checked| {
        checked
            .manifest
            .triggers
            .iter()
            .any(|trigger| match &trigger.kind {
                TriggerKind::Mqtt(mqtt) => mqtt.connection.host.is_absent(),
                TriggerKind::Http(_) | TriggerKind::Schedule(_) => false,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(connection: &Value) -> Value {
        json!({
            "name": "x", "version": "1.0.0", "main": "./index.js",
            "triggers": [{ "type": "mqtt", "topics": ["a"], "connection": connection }],
        })
    }

    #[test]
    fn a_broker_is_lent_to_packages_that_name_none() {
        assert!(wants_broker(&package(&json!({}))));
        assert!(wants_broker(&package(&json!({ "version": "5" }))));
        assert!(!wants_broker(&package(&json!({ "host": "broker" }))));
        assert!(!wants_broker(&package(&json!({ "hostVariable": "BROKER" }))));
        assert!(!wants_broker(
            &json!({ "name": "x", "version": "1.0.0", "main": "./index.js" })
        ));
        assert!(!wants_broker(&json!("no package")));
    }
}
