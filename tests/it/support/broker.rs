//! A Mosquitto of the test's own.

use std::path::Path;

use jobber::child::{Spawner, free_port};
use jobber::mosquitto::{Mosquitto, MosquittoError, MosquittoSettings};
use jobber_actors::manifest::{MqttProtocol, MqttVersion};
use jobber_actors::ports::{BrokerSettings, SessionSettings};
use tempfile::TempDir;

/// A broker. It goes with the test.
pub struct Broker {
    mosquitto: Option<Mosquitto>,
    port: u16,
    /// The port of the second listener, if the test wanted one.
    pub second_port: u16,
    settings: MosquittoSettings,
    folder: TempDir,
    spawner: Spawner,
}

impl Broker {
    /// As it is by default.
    pub async fn start() -> Self {
        Self::configured(|_, _| MosquittoSettings::default()).await
    }

    /// Differing from the usual; `configure` is given a folder for files and a port for a second listener.
    pub async fn configured(configure: impl Fn(&Path, u16) -> MosquittoSettings) -> Self {
        let spawner = Spawner::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        // A free port may be taken by another test before the broker listens on it.
        for _ in 0..10 {
            let second_port = free_port().unwrap();
            let settings = configure(folder.path(), second_port);
            match Mosquitto::start_with(&folder.path().join("data"), &settings, &spawner).await {
                Ok(mosquitto) => {
                    return Self {
                        port: mosquitto.address().port(),
                        mosquitto: Some(mosquitto),
                        second_port,
                        settings,
                        folder,
                        spawner,
                    };
                }
                Err(MosquittoError::PortTaken { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("all ports were taken");
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        self.mosquitto.take().unwrap().kill().await.unwrap();
    }

    /// Ends it after it has saved what it has.
    pub async fn stop(&mut self) {
        self.mosquitto.take().unwrap().stop().await.unwrap();
    }

    /// Starts it again on the same port and data.
    pub async fn start_again(&mut self) {
        let settings = MosquittoSettings {
            port: Some(self.port),
            ..self.settings.clone()
        };
        let data = self.folder.path().join("data");
        self.mosquitto = Some(
            Mosquitto::start_with(&data, &settings, &self.spawner)
                .await
                .unwrap(),
        );
    }

    /// How a client connects to it.
    pub fn session(&self, version: MqttVersion, client_id: &str) -> SessionSettings {
        SessionSettings {
            broker: BrokerSettings {
                protocol: MqttProtocol::Mqtt,
                host: "127.0.0.1".to_owned(),
                port: self.port,
                version,
                username: None,
                password: None,
                ca: None,
            },
            client_id: client_id.to_owned(),
            clean: false,
            receive_maximum: 500,
            max_packet_bytes: 8 << 20,
        }
    }
}
