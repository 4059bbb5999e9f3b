//! How it stands with a trigger, for people.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::mqtt::{LineState, LineStatus, MqttStatus};
use crate::scheduler::ScheduleStatus;

/// Whether a trigger does what it is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It does.
    Healthy,
    /// It does not.
    Unhealthy,
    /// It is not known: its version does not serve, or has just begun to.
    Unknown,
}

/// The kinds of triggers, without their settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerSort {
    /// HTTP requests.
    Http,
    /// Instants of a schedule.
    Schedule,
    /// Messages of an MQTT broker.
    Mqtt,
}

impl TriggerSort {
    /// What `http`, `schedule` and `mqtt` mean.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "http" => Some(Self::Http),
            "schedule" => Some(Self::Schedule),
            "mqtt" => Some(Self::Mqtt),
            _ => None,
        }
    }
}

/// How it stands with a trigger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TriggerStatus {
    /// Whether it works.
    pub status: Health,
    /// What is known, in words.
    pub message: String,
    /// Since when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// What else can be told, by the kind of trigger.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

impl TriggerStatus {
    fn new(status: Health, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            since: None,
            details: Value::Null,
        }
    }

    /// A trigger of a version that does not serve.
    #[must_use]
    pub fn not_served() -> Self {
        Self::new(
            Health::Unknown,
            "the trigger is not served: its job is disabled, or another version is active",
        )
    }

    /// An HTTP trigger, by whether its route is served.
    #[must_use]
    pub fn of_http(served: bool) -> Self {
        if served {
            Self::new(Health::Healthy, "its route is served")
        } else {
            Self::not_served()
        }
    }

    /// A schedule trigger; `trouble` is why schedules do not run, if they do not.
    #[must_use]
    pub fn of_schedule(
        status: Option<ScheduleStatus>,
        trouble: Option<(DateTime<Utc>, String)>,
        now: DateTime<Utc>,
    ) -> Self {
        match (status.map(|status| status.next_at(now)), trouble) {
            (_, Some((since, reason))) => Self {
                since: Some(since),
                ..Self::new(
                    Health::Unhealthy,
                    format!("its instants can not be recorded: {reason}"),
                )
            },
            (Some(Some(next)), None) => Self {
                details: json!({ "next": next }),
                ..Self::new(
                    Health::Healthy,
                    format!("it is due next at {}", next.to_rfc3339()),
                )
            },
            (Some(None), None) => Self::new(Health::Healthy, "it has no instants any more"),
            (None, None) => Self::not_served(),
        }
    }

    /// An MQTT trigger.
    #[must_use]
    pub fn of_mqtt(status: Option<&MqttStatus>) -> Self {
        match status {
            None => Self::not_served(),
            Some(MqttStatus::Unusable(error)) => Self::new(Health::Unhealthy, error.to_string()),
            Some(MqttStatus::Conflict(reason)) => Self::new(Health::Unhealthy, reason.clone()),
            Some(MqttStatus::Starting) => Self::new(Health::Unknown, "its connection is being started"),
            Some(MqttStatus::Lines(lines)) => Self::of_lines(lines),
        }
    }

    /// As healthy as the least healthy of its connections.
    fn of_lines(lines: &[LineStatus]) -> Self {
        let details = json!({ "connections": lines.iter().map(details).collect::<Vec<_>>() });
        let worst = lines
            .iter()
            .map(|line| (health(line), line))
            .max_by_key(|(health, _)| match health {
                Health::Healthy => 0,
                Health::Unknown => 1,
                Health::Unhealthy => 2,
            });
        match worst {
            Some((status, line)) => Self {
                status,
                message: message(line),
                since: Some(line.since),
                details,
            },
            None => Self::new(Health::Unknown, "it has no connection"),
        }
    }
}

fn health(line: &LineStatus) -> Health {
    match &line.state {
        LineState::Connecting => Health::Unknown,
        LineState::Disconnected { .. } => Health::Unhealthy,
        // Full is no fault: it is how brokers are held back by handlers that take long.
        // The other server's status says how it is there.
        LineState::Elsewhere => Health::Healthy,
        LineState::Connected | LineState::Full if line.queue_full || !line.refused.is_empty() => {
            Health::Unhealthy
        }
        LineState::Connected if line.unanswered > 0 => Health::Unknown,
        LineState::Connected | LineState::Full => Health::Healthy,
    }
}

fn message(line: &LineStatus) -> String {
    let mut message = format!("{}: {}", line.broker, line.state);
    // Writing to a String does not fail.
    if line.state == LineState::Connected && line.unanswered > 0 {
        let _ = write!(
            message,
            "; it waits for the broker to grant {} subscriptions",
            line.unanswered
        );
    }
    for (filter, reason) in &line.refused {
        let _ = write!(message, "; the broker refused {filter}: {reason}");
    }
    if line.queue_full {
        message.push_str(
            "; the job has as many failed messages in the durable queue as it may, further ones wait",
        );
    }
    if line.counts.dropped > 0 {
        let _ = write!(
            message,
            "; {} messages of QoS 0 were dropped for want of room",
            line.counts.dropped
        );
    }
    message
}

fn details(line: &LineStatus) -> Value {
    json!({
        "broker": line.broker,
        "clientId": line.client_id,
        "state": line.state.to_string(),
        "since": line.since,
        "messages": line.counts,
        "open": line.open,
        "waiting": line.waiting,
    })
}
