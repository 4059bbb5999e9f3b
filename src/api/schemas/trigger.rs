//! What starts a job, and how it stands with it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// What starts a job: one of the `triggers` of a version's manifest with all defaults, passwords masked, and whose it is.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(in crate::api) enum Trigger {
    Http(HttpTrigger),
    Mqtt(MqttTrigger),
    Schedule(ScheduleTrigger),
}

/// Requests on the gateway. What is absent is any.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct HttpTrigger {
    id: Uuid,
    job_id: Uuid,
    version_id: Uuid,
    /// The version's name.
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

/// Messages of a broker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct MqttTrigger {
    id: Uuid,
    job_id: Uuid,
    version_id: Uuid,
    /// The version's name.
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    topics: Vec<String>,
    /// The quality of service of the subscriptions.
    #[schema(maximum = 2)]
    qos: u8,
    /// How the broker is reached; the manifest's reference has its attributes.
    #[schema(value_type = Object)]
    connection: Value,
}

/// Instants on the wall clock of a time zone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ScheduleTrigger {
    id: Uuid,
    job_id: Uuid,
    version_id: Uuid,
    /// The version's name.
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    cron: String,
    timezone: String,
    /// Which missed instants are made up for.
    catch_up: String,
    /// What happens at an instant while the previous invocation still runs.
    overlap: String,
    /// The next five instants.
    next: Vec<DateTime<Utc>>,
}

/// How it stands with a trigger.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct TriggerStatus {
    status: TriggerHealth,
    /// Why.
    message: String,
    /// Since when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<TriggerDetails>,
}

/// Whether a trigger does what it is there for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TriggerHealth {
    Healthy,
    Unhealthy,
    Unknown,
}

/// What is known of a trigger of its kind.
#[derive(Serialize, ToSchema)]
struct TriggerDetails {
    /// Of a schedule: when it is due next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<DateTime<Utc>>,
    /// Of messages: the connections to the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Vec<BrokerConnection>>,
}

/// A connection to a broker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BrokerConnection {
    broker: String,
    client_id: String,
    /// In words.
    state: String,
    since: DateTime<Utc>,
    messages: BrokerMessages,
    /// Messages that are not finished.
    open: u64,
    /// Of those, messages that wait for a place in the queue.
    waiting: u64,
}

/// Counts of messages, since the server's start.
#[derive(Serialize, ToSchema)]
struct BrokerMessages {
    /// Came from the broker, copies and repeats included.
    received: u64,
    /// Handled with success at the first attempt.
    handled: u64,
    /// Failed at the first attempt.
    failed: u64,
    /// Dropped because there was no room.
    dropped: u64,
    /// There was no trigger for them any more.
    unrouted: u64,
    /// Known already.
    repeated: u64,
}

#[cfg(test)]
mod tests {
    use jobber_actors::manifest::Manifest;
    use serde_json::json;

    use crate::api::schemas::tests::{properties, required};

    #[test]
    fn triggers_have_what_their_schemas_say() {
        let manifest = Manifest::check(&json!({
            "name": "a", "version": "1", "main": "./index.js",
            "triggers": [
                { "type": "http", "name": "a", "hostname": "example.org", "method": "GET", "path": "/a" },
                { "type": "mqtt", "name": "b", "topics": ["a"], "connection": { "host": "broker" } },
                { "type": "schedule", "name": "c", "cron": "* * * * *" },
            ],
        }));
        let triggers = manifest.unwrap().manifest.triggers;
        for (trigger, schema) in triggers
            .iter()
            .zip(["HttpTrigger", "MqttTrigger", "ScheduleTrigger"])
        {
            let answered = serde_json::to_value(trigger).unwrap();
            let answered = answered.as_object().unwrap().keys().map(String::as_str);
            let answered: Vec<_> = answered.filter(|field| *field != "type").collect();
            let added = ["id", "jobId", "version", "versionId", "next"];
            let known = properties(schema);
            assert!(
                answered.iter().all(|field| known.contains(field)),
                "{schema}: {answered:?}"
            );
            for field in known.iter().filter(|field| !added.contains(field)) {
                assert!(
                    answered.contains(field),
                    "{schema} has a {field} that is never there"
                );
            }
            assert!(required(schema).contains(&"jobId"));
        }
    }
}
