//! Publishing a message over the connection of an MQTT trigger.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jobber_actors::manifest::QualityOfService;
use jobber_actors::mqtt::PublishError;
use jobber_actors::ports::{MessageProperties, Publication};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::access::{Access, Change, note_change};
use super::input::Body;
use super::invocations::begin::body_of;
use super::problem::ApiError;
use super::reply::{self, Done};
use super::state::ApiState;
use super::triggers;
use crate::access::Action;

/// What is to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = MqttPublication)]
pub(super) struct Message {
    /// The topic, without `+` and `#`.
    topic: String,
    /// The payload, as text.
    payload: Option<String>,
    /// The payload, in base64.
    payload_base64: Option<String>,
    /// 0, 1 or 2; 1 unless it is given.
    #[schema(maximum = 2)]
    qos: Option<u8>,
    /// Whether the broker keeps it for those who subscribe later.
    retain: Option<bool>,
    /// Its properties, of MQTT 5, as the record of invocations has them.
    #[schema(value_type = Option<Object>)]
    properties: Option<MessageProperties>,
}

/// Publishes a message at a trigger's broker, as a function would. Answers when the broker has acknowledged it.
#[utoipa::path(
    post, path = "/api/job/{job}/triggers/{trigger}/publish", operation_id = "publishMessage",
    tag = "triggers",
    request_body = Message,
    responses((status = 200, body = Done), (status = 409)),
    extensions(("x-permission" = json!({"action": "write", "resource": "job/{job}/triggers/{trigger}"}))),
)]
pub(super) async fn publish(
    state: web::Data<ApiState>,
    access: Access,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    Body(message): Body<Message>,
) -> Result<HttpResponse, ApiError> {
    let (job, name) = path.into_inner();
    let (job, trigger) = triggers::find(&state, &access, Action::Write, &job, &name).await?;
    if trigger.kind != "mqtt" {
        let detail = format!("the trigger {name:?} is of type {}, not of MQTT", trigger.kind);
        return Err(ApiError::new(StatusCode::CONFLICT, "not-mqtt", detail));
    }
    let publication = message.publication()?;
    let topic = publication.topic.clone();
    let sent = state.tree.publish_message(job.id, trigger.id, publication).await;
    sent.map_err(problem)?;
    note_change(&request, Change::made(&json!({ "topic": topic })));
    Ok(reply::done("the broker has acknowledged it"))
}

impl Message {
    fn publication(self) -> Result<Publication, ApiError> {
        let qos = QualityOfService::from_level(self.qos.unwrap_or(1))
            .ok_or_else(|| ApiError::invalid("/qos", "invalid", "is 0, 1 or 2"))?;
        let given = (self.payload.as_deref(), self.payload_base64.as_deref());
        let payload = body_of(given, ("/payload", "/payloadBase64"))?.unwrap_or_default();
        Ok(Publication {
            topic: self.topic,
            payload: payload.into(),
            qos,
            retain: self.retain.unwrap_or_default(),
            properties: self.properties.unwrap_or_default(),
        })
    }
}

fn problem(error: PublishError) -> ApiError {
    let detail = error.to_string();
    match error {
        PublishError::BadTopic(message) => ApiError::invalid("/topic", "invalid", message),
        PublishError::NoBroker(_) => ApiError::new(StatusCode::CONFLICT, "no-broker", detail),
        PublishError::Refused(_) => ApiError::new(StatusCode::CONFLICT, "message-refused", detail),
        PublishError::Full | PublishError::NotAcknowledged { .. } | PublishError::Closed => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "broker-unavailable", detail)
        }
    }
}
