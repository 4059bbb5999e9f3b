//! MQTT triggers.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::broker::MqttConnection;
use super::problem::ProblemCode;
use super::reader::{Fields, Node};
use crate::topic::TopicFilter;

/// Most topic filters of one trigger.
const MAX_TOPICS: usize = 1_000;

/// Messages on some topics of a broker.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(transform = with_fields_of_the_connection)]
pub struct MqttTrigger {
    /// Topic filters, with `+`, `#` and `$share/<group>/…`.
    #[schemars(with = "Vec<String>", length(min = 1, max = 1_000))]
    pub topics: Vec<TopicFilter>,
    /// The quality of service of the subscriptions: 0, 1 or 2.
    #[serde(default)]
    #[schemars(schema_with = "qos_schema")]
    pub qos: QualityOfService,
    /// The broker.
    #[serde(default)]
    pub connection: MqttConnection,
}

/// How hard a message is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QualityOfService {
    /// 0: it may be lost.
    AtMostOnce,
    /// 1: it may come twice.
    #[default]
    AtLeastOnce,
    /// 2: the broker and Jobber agree on one delivery.
    ExactlyOnce,
}

impl QualityOfService {
    /// What the number of the protocol means; `None` for one that means nothing.
    #[must_use]
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// The number in the protocol.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

impl<'de> Deserialize<'de> for QualityOfService {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let level = u8::deserialize(deserializer)?;
        Self::from_level(level).ok_or_else(|| D::Error::custom("a quality of service is 0, 1 or 2"))
    }
}

impl Serialize for QualityOfService {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.level())
    }
}

/// Some fields of the connection may also stand in the trigger itself.
fn with_fields_of_the_connection(schema: &mut schemars::Schema) {
    let fields = json!({
        "version": { "description": "As in `connection`.", "type": "string", "enum": ["3.1.1", "5"] },
        "cleanSession": { "description": "As in `connection`.", "type": "boolean" },
        "ca": { "description": "As in `connection`.", "type": "string" },
        "caVariable": { "description": "As in `connection`.", "type": "string" },
    });
    let properties = schema.ensure_object().get_mut("properties");
    if let (Some(Value::Object(properties)), Value::Object(fields)) = (properties, fields) {
        properties.extend(fields);
    }
}

fn qos_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "enum": [0, 1, 2] })
}

impl MqttTrigger {
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let topics = fields.require("topics").map(read_topics);
        let qos = fields
            .take("qos")
            .and_then(|node| node.integer(0..=2))
            .and_then(|level| u8::try_from(level).ok())
            .and_then(QualityOfService::from_level);
        let mut connection = match fields.take("connection") {
            Some(node) => MqttConnection::read(node)?,
            None => MqttConnection::default(),
        };
        connection.read_from_trigger(fields);
        if connection.host.is_absent() {
            let message = "names no broker (`host` or `hostVariable`): the trigger works only where `jobber dev` lends one";
            fields.warning_at("connection", ProblemCode::Missing, message);
        }
        Some(Self {
            topics: topics?,
            qos: qos.unwrap_or_default(),
            connection,
        })
    }

    /// What makes it the same trigger in another version.
    pub(super) fn identity(&self) -> Value {
        let connection = &self.connection;
        let mut topics: Vec<&str> = self.topics.iter().map(TopicFilter::as_str).collect();
        topics.sort_unstable();
        json!({
            "topics": topics,
            "protocol": connection.protocol.value,
            "protocolVariable": connection.protocol.variable,
            "host": connection.host.value,
            "hostVariable": connection.host.variable,
            "port": connection.port.value,
            "portVariable": connection.port.variable,
            "username": connection.username.value,
            "usernameVariable": connection.username.variable,
            "clientId": connection.client_id.value,
            "clientIdVariable": connection.client_id.variable,
        })
    }
}

fn read_topics(node: Node<'_>) -> Vec<TopicFilter> {
    if node.value().as_array().is_some_and(Vec::is_empty) {
        node.error(ProblemCode::InvalidValue, "must name at least one topic");
    }
    let mut topics: Vec<TopicFilter> = Vec::new();
    for element in node.elements(MAX_TOPICS) {
        match element.parse(TopicFilter::parse) {
            Some(topic) if topics.contains(&topic) => {
                element.warning(ProblemCode::Duplicate, "the same filter stands before it");
            }
            Some(topic) => topics.push(topic),
            None => {}
        }
    }
    topics
}
