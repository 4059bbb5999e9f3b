//! `mqtt.publish`: a function publishes a message at its job's broker.

use bytes::Bytes;
use serde_json::json;

use super::{Answer, Refused};
use crate::domain::JobId;
use crate::manifest::QualityOfService;
use crate::mqtt::{MqttBoard, PublishError};
use crate::ports::Publication;
use crate::protocol::PublishHead;

pub(super) const METHOD: &str = "mqtt.publish";

/// Takes the message here and now, so that messages keep the order of their calls. The future resolves when the broker has
/// acknowledged it.
pub(super) fn answer(
    board: &MqttBoard,
    job: JobId,
    head: PublishHead,
    payload: Bytes,
) -> impl Future<Output = Answer> + Send + 'static {
    let sent = QualityOfService::from_level(head.qos)
        .ok_or_else(|| PublishError::BadTopic("a quality of service is 0, 1 or 2".into()))
        .and_then(|qos| {
            let publication = Publication {
                topic: head.topic,
                payload,
                qos,
                retain: head.retain,
                properties: head.properties,
            };
            board.send(job, head.trigger, publication)
        });
    async move {
        // Dropped unanswered when the connection is given up for good.
        let published = sent?.await.unwrap_or(Err(PublishError::Closed));
        published?;
        Ok((json!({}), Bytes::new()))
    }
}

impl From<PublishError> for Refused {
    fn from(error: PublishError) -> Self {
        let code = match error {
            PublishError::BadTopic(_) => "bad-request",
            PublishError::Refused(_) => "mqtt-refused",
            PublishError::NoBroker(_)
            | PublishError::Full
            | PublishError::NotAcknowledged { .. }
            | PublishError::Closed => "mqtt-unavailable",
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}
