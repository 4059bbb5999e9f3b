//! From what a package says about its broker to how the broker is reached: values, variables and defaults.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::domain::{Environment, JobId};
use crate::manifest::{MqttConnection, MqttProtocol, Setting};
use crate::ports::BrokerSettings;

/// A broker for packages that name none: `jobber dev` lends one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LentBroker {
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The broker that is lent now, if one is. Whoever starts one puts it here before packages are published that want it.
pub type SharedLentBroker = Arc<ArcSwapOption<LentBroker>>;

/// Why a broker can not be reached as the package and its variables say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Neither a host nor a variable that holds one.
    #[error("the package names no broker (`connection.host`), and none is lent: only `jobber dev` lends one")]
    NoBroker,
    /// The variable with the host is not there.
    #[error("the variable {0} (`hostVariable`) is not set")]
    NoHost(String),
    /// A variable's value can not be used. The value is not shown: it may be a secret.
    #[error("the variable {variable} (`{field}Variable`) is not {wanted}")]
    Value {
        /// The variable.
        variable: String,
        /// The field that names it.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
}

/// A connection that a trigger wants: its broker, and the session there.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionSettings {
    /// The broker.
    pub broker: BrokerSettings,
    /// What the broker knows the client by. Stays the same over restarts and versions.
    pub client_id: String,
    /// Whether the broker forgets the session when the connection ends.
    pub clean: bool,
}

impl ConnectionSettings {
    /// What a job's connection comes to.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn resolve(
        connection: &MqttConnection,
        environment: &Environment,
        job: JobId,
        lent: Option<&LentBroker>,
    ) -> Result<Self, SettingsError> {
        let of = Variables(environment);
        let protocol = of
            .parsed(&connection.protocol, "protocol", "mqtt, mqtts, ws or wss")?
            .unwrap_or(MqttProtocol::Mqtt);
        let (host, lent_port) = match (of.text(&connection.host), lent) {
            (Some(host), _) => (host, None),
            (None, Some(lent)) if connection.host.is_absent() => (lent.host.clone(), Some(lent.port)),
            (None, _) => {
                return Err(match &connection.host.variable {
                    Some(variable) => SettingsError::NoHost(variable.as_str().to_owned()),
                    None => SettingsError::NoBroker,
                });
            }
        };
        let port: Option<Port> = of.parsed(&connection.port, "port", "a port between 1 and 65535")?;
        let broker = BrokerSettings {
            protocol,
            host,
            port: port
                .map(|Port(port)| port)
                .or(lent_port)
                .unwrap_or_else(|| protocol.default_port()),
            version: connection.version,
            username: of.text(&connection.username),
            password: of.secret(&connection.password),
            ca: of.text(&connection.ca),
        };
        let clean = connection.clean_session;
        let client_id = of
            .text(&connection.client_id)
            .unwrap_or_else(|| default_client_id(job, &broker, clean));
        Ok(Self {
            broker,
            client_id,
            clean,
        })
    }
}

/// Not the password: a session outlives it. All else is another session, so that no two connections of a job have one id.
fn default_client_id(job: JobId, broker: &BrokerSettings, clean: bool) -> String {
    derived_id(
        "jobber",
        &[
            &job,
            &broker,
            &broker.version.name(),
            &broker.username.as_deref().unwrap_or_default(),
            &clean,
        ],
    )
}

/// An id of at most 23 bytes, which every broker takes: the prefix and what the parts come to.
pub(super) fn derived_id(prefix: &str, parts: &[&dyn Display]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.to_string();
        // Lengths first: no two lists of parts look the same to the hash.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    format!("{prefix}-{}", &hex::encode(hash.finalize())[..16])
}

/// A setting's value: that of its variable if there is one, else the package's.
struct Variables<'a>(&'a Environment);

impl Variables<'_> {
    fn variable<T>(&self, setting: &Setting<T>) -> Option<&str> {
        let name = setting.variable.as_ref()?;
        let variable = self.0.get(name.as_str())?;
        Some(variable.value.expose_secret())
    }

    fn text(&self, setting: &Setting<String>) -> Option<String> {
        let variable = self.variable(setting).map(str::to_owned);
        variable.or_else(|| setting.value.clone())
    }

    fn secret(&self, setting: &Setting<crate::manifest::Password>) -> Option<SecretString> {
        let variable = self.variable(setting);
        let value = variable.or_else(|| setting.value.as_ref().map(|value| value.expose()));
        value.map(SecretString::from)
    }

    fn parsed<S: Clone, T: FromStr + From<S>>(
        &self,
        setting: &Setting<S>,
        field: &'static str,
        wanted: &'static str,
    ) -> Result<Option<T>, SettingsError> {
        match self.variable(setting) {
            Some(text) => text.trim().parse().map(Some).map_err(|_| SettingsError::Value {
                variable: setting
                    .variable
                    .as_ref()
                    .map(|name| name.as_str().to_owned())
                    .unwrap_or_default(),
                field,
                wanted,
            }),
            None => Ok(setting.value.clone().map(T::from)),
        }
    }
}

/// A port that can be connected to.
struct Port(u16);

impl From<u16> for Port {
    fn from(port: u16) -> Self {
        Self(port)
    }
}

impl FromStr for Port {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().ok().filter(|port| *port > 0).map(Self).ok_or(())
    }
}
