//! Clients of a real broker, in both versions of MQTT.

use jobber_actors::manifest::{MqttVersion, QualityOfService};
use jobber_actors::ports::MqttMessage;

/// Tells each story once in each version of MQTT.
macro_rules! in_both_versions {
    ($($story:ident),+ $(,)?) => {
        mod v311 {
            $(#[tokio::test]
            async fn $story() {
                super::$story(jobber_actors::manifest::MqttVersion::V311).await;
            })+
        }
        mod v5 {
            $(#[tokio::test]
            async fn $story() {
                super::$story(jobber_actors::manifest::MqttVersion::V5).await;
            })+
        }
    };
}

mod connecting;
mod limits;
mod receiving;
mod scripted;
mod sending;
mod sessions;

const QOS: [QualityOfService; 3] = [
    QualityOfService::AtMostOnce,
    QualityOfService::AtLeastOnce,
    QualityOfService::ExactlyOnce,
];
const ONCE: QualityOfService = QualityOfService::AtLeastOnce;
const EXACTLY: QualityOfService = QualityOfService::ExactlyOnce;
const V5: MqttVersion = MqttVersion::V5;
const V311: MqttVersion = MqttVersion::V311;

/// The payloads as texts.
fn texts(messages: &[MqttMessage]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| std::str::from_utf8(&message.payload).unwrap())
        .collect()
}
