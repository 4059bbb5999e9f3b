//! A Mosquitto of the test's own, and certificates for it.

use std::path::Path;
use std::process::Command;

use jobber::child::{Spawner, free_port};
use jobber::mosquitto::{Mosquitto, MosquittoError, MosquittoSettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

use super::MqttClient;

/// Ports that were free a moment ago may be taken by another test.
const PORT_ATTEMPTS: u32 = 10;

/// A broker. It goes with the test.
pub struct Broker {
    mosquitto: Option<Mosquitto>,
    port: u16,
    /// For a further listener.
    pub second_port: u16,
    /// For one more.
    pub third_port: u16,
    settings: MosquittoSettings,
    folder: TempDir,
    spawner: Spawner,
}

impl Broker {
    /// A broker that takes everybody.
    pub async fn start() -> Self {
        Self::configured(|_, _, _| MosquittoSettings::default()).await
    }

    /// A broker that takes this user only.
    pub async fn with_user(name: &str, password: &str) -> Self {
        Self::configured(|folder, _, _| {
            let file = folder.join("passwords");
            let made = Command::new("mosquitto_passwd")
                .args(["-b", "-c"])
                .arg(&file)
                .args([name, password])
                .status();
            assert!(made.unwrap().success());
            MosquittoSettings {
                anonymous: false,
                lines: vec![format!("password_file {}", file.display())],
                ..MosquittoSettings::default()
            }
        })
        .await
    }

    /// A broker that differs from the usual; `configure` gets a folder for files and two ports for further listeners.
    pub async fn configured(configure: impl Fn(&Path, u16, u16) -> MosquittoSettings) -> Self {
        let spawner = Spawner::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..PORT_ATTEMPTS {
            let (second_port, third_port) = (free_port().unwrap(), free_port().unwrap());
            let settings = configure(folder.path(), second_port, third_port);
            match Mosquitto::start_with(&folder.path().join("data"), &settings, &spawner).await {
                Ok(mosquitto) => {
                    return Self {
                        port: mosquitto.address().port(),
                        mosquitto: Some(mosquitto),
                        second_port,
                        third_port,
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

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client of it.
    pub async fn client(&self) -> MqttClient {
        MqttClient::connect(self.port).await
    }

    /// Stops it in good order.
    pub async fn stop(&mut self) {
        self.mosquitto.take().expect("it runs").stop().await.unwrap();
    }

    /// Starts it again, on the same port and data.
    pub async fn start_again(&mut self) {
        let data = self.folder.path().join("data");
        let settings = MosquittoSettings {
            port: Some(self.port),
            ..self.settings.clone()
        };
        let mosquitto = Mosquitto::start_with(&data, &settings, &self.spawner).await;
        self.mosquitto = Some(mosquitto.unwrap());
    }
}

/// Writes a certificate for 127.0.0.1 and its key, `server.pem` and `server.key`. Gives the authority's certificate.
pub fn certify(folder: &Path) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    authority.pem()
}
