//! The connection to an MQTT broker, as a package writes it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::names::VariableName;
use super::problem::ProblemCode;
use super::reader::{Fields, Node};

/// Most bytes of a setting, and of certificates.
const MAX_TEXT: usize = 4_096;
const MAX_CERTIFICATES: usize = 262_144;

/// A setting that is written in the package, or in a variable of the job's environment, or in both: then the package has the
/// value for a job whose environment has no such variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Setting<T> {
    /// The value in the package.
    pub value: Option<T>,
    /// The variable whose value comes first.
    pub variable: Option<VariableName>,
}

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self {
            value: None,
            variable: None,
        }
    }
}

impl<T> Setting<T> {
    /// Whether the package says nothing about it.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.value.is_none() && self.variable.is_none()
    }
}

/// A password that stands in a package. Neither `Debug` nor serialisation shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Password(String);

impl Password {
    /// The password, for the one place that logs in with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What is spoken to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MqttProtocol {
    /// TCP; port 1883 by default.
    Mqtt,
    /// TLS; port 8883 by default.
    Mqtts,
    /// WebSocket; port 80 by default.
    Ws,
    /// WebSocket over TLS; port 443 by default.
    Wss,
}

impl MqttProtocol {
    const CHOICES: [(&str, Self); 4] = [
        ("mqtt", Self::Mqtt),
        ("mqtts", Self::Mqtts),
        ("ws", Self::Ws),
        ("wss", Self::Wss),
    ];

    /// `mqtt`, `mqtts`, `ws` or `wss`.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Whether it is TLS.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// The port of brokers that were not given another.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl std::str::FromStr for MqttProtocol {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::CHOICES
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, protocol)| *protocol)
            .ok_or(())
    }
}

/// The version of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub enum MqttVersion {
    /// 3.1.1, which every broker understands.
    #[default]
    #[serde(rename = "3.1.1")]
    V311,
    /// 5.0.
    #[serde(rename = "5")]
    V5,
}

impl MqttVersion {
    /// `3.1.1` or `5`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        }
    }
}

/// How to reach a broker. Triggers of a job with equal settings share one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, JsonSchema)]
#[schemars(with = "ConnectionForm")]
pub struct MqttConnection {
    /// What is spoken; `mqtt` if neither the package nor a variable says.
    pub protocol: Setting<MqttProtocol>,
    /// The broker's host name or address.
    pub host: Setting<String>,
    /// The broker's port; by default the protocol's.
    pub port: Setting<u16>,
    /// The user's name.
    pub username: Setting<String>,
    /// The user's password.
    pub password: Setting<Password>,
    /// The client's id; by default one that stays the same over restarts and versions.
    pub client_id: Setting<String>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Setting<String>,
    /// The version of the protocol.
    pub version: MqttVersion,
    /// Whether the broker forgets the session while Jobber is not connected.
    pub clean_session: bool,
}

/// How a connection is written.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConnectionForm {
    /// What is spoken; `mqtt` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<MqttProtocol>,
    /// The variable with the protocol. A variable that exists comes before the field without `Variable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_variable: Option<String>,
    /// The broker's host name or address.
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// The variable with the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_variable: Option<String>,
    /// The broker's port, `"1883"` or 1883; by default that of the protocol (1883, 8883, 80, 443).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(schema_with = "port_schema")]
    port: Option<String>,
    /// The variable with the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    port_variable: Option<String>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The variable with the user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username_variable: Option<String>,
    /// The user's password. A secret variable keeps it out of the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'static str>,
    /// The variable with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_variable: Option<String>,
    /// The client's id; by default one that stays the same over restarts and versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The variable with the client's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id_variable: Option<String>,
    /// Certificates (PEM) to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
    /// The variable with the certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_variable: Option<String>,
    /// The version of MQTT.
    #[serde(default)]
    version: MqttVersion,
    /// Whether the broker forgets the session while Jobber is not connected.
    #[serde(default)]
    clean_session: bool,
}

fn port_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "anyOf": [
            { "type": "string", "pattern": "^[0-9]{1,5}$" },
            { "type": "integer", "minimum": 1, "maximum": 65535 }
        ]
    })
}

impl Serialize for MqttConnection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = |variable: &Option<VariableName>| variable.as_ref().map(|name| name.as_str().to_owned());
        ConnectionForm {
            protocol: self.protocol.value,
            protocol_variable: name(&self.protocol.variable),
            host: self.host.value.clone(),
            host_variable: name(&self.host.variable),
            port: self.port.value.map(|port| port.to_string()),
            port_variable: name(&self.port.variable),
            username: self.username.value.clone(),
            username_variable: name(&self.username.variable),
            password: self.password.value.as_ref().map(|_| "********"),
            password_variable: name(&self.password.variable),
            client_id: self.client_id.value.clone(),
            client_id_variable: name(&self.client_id.variable),
            ca: self.ca.value.clone(),
            ca_variable: name(&self.ca.variable),
            version: self.version,
            clean_session: self.clean_session,
        }
        .serialize(serializer)
    }
}

impl MqttConnection {
    pub(super) fn read(node: Node<'_>) -> Option<Self> {
        let mut fields = node.fields()?;
        let protocol = |node: Node<'_>| node.choice(&MqttProtocol::CHOICES);
        let connection = Self {
            protocol: setting(&mut fields, ("protocol", "protocolVariable"), protocol),
            host: setting(&mut fields, ("host", "hostVariable"), |node| host(&node)),
            port: setting(&mut fields, ("port", "portVariable"), |node| port(&node)),
            username: setting(&mut fields, ("username", "usernameVariable"), |node| {
                text(&node, MAX_TEXT)
            }),
            password: setting(&mut fields, ("password", "passwordVariable"), |node| {
                text(&node, MAX_TEXT).map(Password)
            }),
            client_id: setting(&mut fields, ("clientId", "clientIdVariable"), |node| {
                text(&node, MAX_TEXT)
            }),
            ca: setting(&mut fields, ("ca", "caVariable"), |node| {
                text(&node, MAX_CERTIFICATES)
            }),
            version: fields
                .take("version")
                .and_then(|node| version(&node))
                .unwrap_or_default(),
            clean_session: fields
                .take("cleanSession")
                .and_then(|node| node.boolean())
                .unwrap_or_default(),
        };
        fields.warn_of_unknown();
        Some(connection)
    }

    /// `version`, `cleanSession` and `ca` may also stand in the trigger itself, beside `qos`.
    pub(super) fn read_from_trigger(&mut self, fields: &mut Fields<'_>) {
        if let Some(version) = fields.take("version").and_then(|node| version(&node)) {
            self.version = version;
        }
        if let Some(clean) = fields.take("cleanSession").and_then(|node| node.boolean()) {
            self.clean_session = clean;
        }
        let ca = setting(fields, ("ca", "caVariable"), |node| text(&node, MAX_CERTIFICATES));
        if !ca.is_absent() {
            self.ca = ca;
        }
    }
}

fn setting<T>(
    fields: &mut Fields<'_>,
    (name, variable): (&'static str, &'static str),
    read: impl FnOnce(Node<'_>) -> Option<T>,
) -> Setting<T> {
    Setting {
        value: fields.take(name).and_then(read),
        variable: fields
            .take(variable)
            .and_then(|node| node.parse(VariableName::parse)),
    }
}

fn text(node: &Node<'_>, most: usize) -> Option<String> {
    let text = node.string()?;
    if text.is_empty() || text.len() > most || text.contains('\0') {
        node.error(ProblemCode::InvalidValue, format!("must have 1 to {most} bytes"));
        return None;
    }
    Some(text.to_owned())
}

fn host(node: &Node<'_>) -> Option<String> {
    let host = text(node, 253)?;
    if host.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@')) {
        node.error(
            ProblemCode::InvalidValue,
            "must be a host name or address alone, such as `broker.example.org`",
        );
        return None;
    }
    Some(host)
}

/// A string by contract; a number is what people write.
fn port(node: &Node<'_>) -> Option<u16> {
    if node.value().is_number() {
        return node.integer(1..=65_535).and_then(|port| u16::try_from(port).ok());
    }
    let port = node.string()?.parse().ok().filter(|port| *port > 0);
    if port.is_none() {
        node.error(ProblemCode::InvalidValue, "must be a port between 1 and 65535");
    }
    port
}

fn version(node: &Node<'_>) -> Option<MqttVersion> {
    if node.value().as_u64() == Some(5) {
        return Some(MqttVersion::V5);
    }
    node.choice(&[
        ("3.1.1", MqttVersion::V311),
        ("5", MqttVersion::V5),
        ("5.0", MqttVersion::V5),
    ])
}
