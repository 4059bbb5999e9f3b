//! Events that a person makes up, and the trigger that each would have come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::HeaderName;
use actix_web::http::uri::PathAndQuery;
use chrono::{DateTime, Utc};
use jobber_actors::invocation::{HttpInput, Input, MqttInput, ScheduleInput, TriggerRef};
use jobber_actors::manifest::{QualityOfService, TriggerKind};
use jobber_actors::mqtt::check_topic;
use jobber_actors::ports::MessageProperties;
use jobber_actors::routing::{Lookup, MethodName, Route, RoutePattern, RouteTable};
use jobber_actors::trace::{TRACEPARENT, TRACESTATE};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, Type};

use crate::api::input::moment;
use crate::api::invocations::begin::body_of;
use crate::api::problem::ApiError;
use crate::gateway::{is_authority, is_hop_by_hop, value_of};
use crate::store::VersionTrigger;

/// The host of a request that names none, where its trigger names none either.
const NO_HOST: &str = "localhost";

/// Names with their values.
pub(super) fn pairs() -> Schema {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let pair = ArrayBuilder::new()
        .items(text)
        .min_items(Some(2))
        .max_items(Some(2));
    Schema::Array(ArrayBuilder::new().items(pair).build())
}

/// One event, of one of the kinds that a trigger can have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[schema(as = TestEvent)]
pub(super) enum Event {
    /// A request.
    Http(Request),
    /// A message.
    Mqtt(Message),
    /// An instant.
    Schedule(Instant),
}

/// A request, as a client would send it to the gateway.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TestHttpEvent)]
pub(super) struct Request {
    /// `GET` unless it is given.
    method: Option<String>,
    /// Path and query; `/` unless they are given.
    path: Option<String>,
    /// The host that it names, perhaps with a port.
    host: Option<String>,
    /// Names and values, in their order.
    #[serde(default)]
    #[schema(schema_with = pairs)]
    headers: Vec<(String, String)>,
    /// The body, as text.
    body: Option<String>,
    /// The body, in base64.
    body_base64: Option<String>,
}

/// A message, as a broker would deliver it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TestMqttEvent)]
pub(super) struct Message {
    /// Its topic.
    topic: String,
    /// 0, 1 or 2; 1 unless it is given.
    #[schema(maximum = 2)]
    qos: Option<u8>,
    /// Whether the broker had kept it.
    #[serde(default)]
    retain: bool,
    /// Its properties, as the record has them: `contentType`, `responseTopic`, `correlationData` (base64), `payloadFormatIndicator`,
    /// `messageExpiryInterval`, `userProperties` (pairs).
    #[schema(value_type = Option<Object>)]
    properties: Option<MessageProperties>,
    /// The payload, as text.
    payload: Option<String>,
    /// The payload, in base64.
    payload_base64: Option<String>,
}

/// An instant of a schedule.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TestScheduleEvent)]
pub(super) struct Instant {
    /// When it is due; now unless it is given.
    #[serde(default, deserialize_with = "moment")]
    scheduled_at: Option<DateTime<Utc>>,
}

/// An event that can be delivered.
#[derive(Debug)]
pub(super) struct Deliverable {
    /// What the handler is told has started it.
    pub(super) trigger: TriggerRef,
    /// Whether such an event would have started it.
    pub(super) matches: bool,
    /// What the handler gets.
    pub(super) input: Input,
    /// The body.
    pub(super) body: Vec<u8>,
    /// Names of header fields that are no part of a request as a function sees it.
    pub(super) left_out: Vec<String>,
}

impl Event {
    /// What kind of trigger it is from.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Http(_) => Input::HTTP,
            Self::Mqtt(_) => Input::MQTT,
            Self::Schedule(_) => Input::SCHEDULE,
        }
    }

    /// Makes what a handler gets of it. One that would start none of the triggers is from the first of its kind, or from the one that
    /// is named: a handler can be tried with anything.
    ///
    /// # Errors
    /// What can not be taken, with its place in the request.
    pub(super) fn deliverable(
        self,
        triggers: &[VersionTrigger],
        named: Option<&str>,
        sender: IpAddr,
    ) -> Result<Deliverable, ApiError> {
        let candidates = candidates(triggers, named, self.kind())?;
        match self {
            Self::Http(request) => request.deliverable(&candidates, sender),
            Self::Mqtt(message) => message.deliverable(&candidates),
            Self::Schedule(instant) => Ok(instant.deliverable(candidates.first)),
        }
    }
}

/// The triggers that an event may be from.
struct Candidates<'a> {
    first: &'a VersionTrigger,
    all: Vec<&'a VersionTrigger>,
}

/// The trigger that is named by its id or its name, or all of a kind.
fn candidates<'a>(
    triggers: &'a [VersionTrigger],
    named: Option<&str>,
    kind: &str,
) -> Result<Candidates<'a>, ApiError> {
    let of_kind = |trigger: &&VersionTrigger| trigger.config.kind.name() == kind;
    let Some(name) = named else {
        let all: Vec<_> = triggers.iter().filter(of_kind).collect();
        let Some(first) = all.first().copied() else {
            let message = format!("is of the kind {kind:?}, and the version has no such trigger");
            return Err(ApiError::invalid("/event", "conflict", message));
        };
        return Ok(Candidates { first, all });
    };
    let is_named = |trigger: &&VersionTrigger| {
        let own = trigger.config.name.as_ref().map(|own| own.as_str());
        own == Some(name) || trigger.id.to_string() == name
    };
    let Some(first) = triggers.iter().find(is_named) else {
        let message = format!("the version has no trigger {name:?}");
        return Err(ApiError::invalid("/trigger", "unknown", message));
    };
    if !of_kind(&first) {
        let message = format!(
            "the trigger {name:?} is of the kind {:?}, the event of {kind:?}",
            first.config.kind.name()
        );
        return Err(ApiError::invalid("/trigger", "conflict", message));
    }
    Ok(Candidates {
        first,
        all: vec![first],
    })
}

fn reference(trigger: &VersionTrigger) -> TriggerRef {
    TriggerRef {
        id: trigger.id,
        name: trigger.config.name.as_ref().map(|name| Arc::from(name.as_str())),
    }
}

impl Request {
    fn deliverable(self, candidates: &Candidates<'_>, sender: IpAddr) -> Result<Deliverable, ApiError> {
        let method = MethodName::parse(self.method.as_deref().unwrap_or("GET"))
            .map_err(|error| ApiError::invalid("/event/http/method", "invalid", error.to_string()))?;
        let target = target(self.path.as_deref().unwrap_or("/"))?;
        let (headers, named_host, left_out) = headers(self.headers)?;
        let host = self.host.or(named_host);
        if host
            .as_deref()
            .is_some_and(|host| host.is_empty() || !is_authority(host))
        {
            return Err(ApiError::invalid("/event/http/host", "invalid", "is no host"));
        }
        let given = (self.body.as_deref(), self.body_base64.as_deref());
        let body = body_of(given, ("/event/http/body", "/event/http/bodyBase64"))?.unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let found = route(candidates, host.as_deref(), method.as_str(), path);
        let matches = found.is_some();
        let (trigger, params) = found.unwrap_or_else(|| (candidates.first, BTreeMap::new()));
        let authority = host.unwrap_or_else(|| match &trigger.config.kind {
            TriggerKind::Http(http) => http
                .route
                .host
                .as_ref()
                .map_or(NO_HOST, |host| host.as_str())
                .to_owned(),
            TriggerKind::Mqtt(_) | TriggerKind::Schedule(_) => NO_HOST.to_owned(),
        });
        let http = HttpInput {
            method: method.as_str().to_owned(),
            target,
            scheme: Cow::Borrowed("http"),
            authority,
            headers,
            params,
            ip: sender,
            size: Some(body.len() as u64),
        };
        Ok(Deliverable {
            trigger: reference(trigger),
            matches,
            input: Input::Http { http: Box::new(http) },
            body,
            left_out,
        })
    }
}

/// Path and query as a client can send them.
fn target(text: &str) -> Result<String, ApiError> {
    let wrong = |message: &str| Err(ApiError::invalid("/event/http/path", "invalid", message));
    if !text.starts_with('/') {
        return wrong("must begin with a slash");
    }
    if !text.is_ascii() || text.contains('#') || text.parse::<PathAndQuery>().is_err() {
        return wrong("is no path with a query: what is not ASCII, a space or `#` is written with `%`");
    }
    Ok(text.to_owned())
}

type Headers = (Vec<(String, String)>, Option<String>, Vec<String>);

/// The header fields that a function gets to see, the host, and the names of those that stay on a connection.
fn headers(given: Vec<(String, String)>) -> Result<Headers, ApiError> {
    let (mut kept, mut host, mut left_out) = (Vec::new(), None, Vec::new());
    for (index, (name, value)) in given.into_iter().enumerate() {
        let wrong = |part: u8, message: &str| {
            ApiError::invalid(&format!("/event/http/headers/{index}/{part}"), "invalid", message)
        };
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(0, "is no name of a header field"))?;
        if value_of(&value).is_none() {
            return Err(wrong(1, "has characters that no header field can have"));
        }
        let name = name.as_str();
        let is_ours =
            matches!(name, "content-length" | "expect") || name == TRACEPARENT || name == TRACESTATE;
        if name == "host" {
            host = Some(value.trim().to_owned());
        } else if is_hop_by_hop(name) || is_ours {
            left_out.push(name.to_owned());
        } else {
            kept.push((name.to_owned(), value));
        }
    }
    Ok((kept, host, left_out))
}

/// The trigger that the gateway would find, and the parameters of its route. A request that names no host is one to any.
fn route<'a>(
    candidates: &Candidates<'a>,
    host: Option<&str>,
    method: &str,
    path: &str,
) -> Option<(&'a VersionTrigger, BTreeMap<String, String>)> {
    let routes = candidates
        .all
        .iter()
        .filter_map(|trigger| match &trigger.config.kind {
            TriggerKind::Http(http) => {
                let pattern = RoutePattern {
                    host: http.route.host.clone().filter(|_| host.is_some()),
                    ..http.route.clone()
                };
                Some(Route {
                    pattern,
                    target: *trigger,
                })
            }
            TriggerKind::Mqtt(_) | TriggerKind::Schedule(_) => None,
        });
    let (table, _) = RouteTable::build(routes);
    match table.lookup(host, method, path) {
        Lookup::Found { target, params } => Some((*target, params)),
        Lookup::NoRoute | Lookup::MethodNotAllowed { .. } => None,
    }
}

impl Message {
    fn deliverable(self, candidates: &Candidates<'_>) -> Result<Deliverable, ApiError> {
        check_topic(&self.topic)
            .map_err(|error| ApiError::invalid("/event/mqtt/topic", "invalid", error.to_string()))?;
        let qos = QualityOfService::from_level(self.qos.unwrap_or(1))
            .ok_or_else(|| ApiError::invalid("/event/mqtt/qos", "invalid", "is 0, 1 or 2"))?;
        let given = (self.payload.as_deref(), self.payload_base64.as_deref());
        let fields = ("/event/mqtt/payload", "/event/mqtt/payloadBase64");
        let body = body_of(given, fields)?.unwrap_or_default();
        let subscribes = |trigger: &&&VersionTrigger| match &trigger.config.kind {
            TriggerKind::Mqtt(mqtt) => mqtt.topics.iter().any(|filter| filter.matches(&self.topic)),
            TriggerKind::Http(_) | TriggerKind::Schedule(_) => false,
        };
        let found = candidates.all.iter().find(subscribes).copied();
        let mqtt = MqttInput {
            topic: self.topic,
            qos,
            retain: self.retain,
            duplicate: false,
            properties: self.properties.unwrap_or_default(),
        };
        Ok(Deliverable {
            trigger: reference(found.unwrap_or(candidates.first)),
            matches: found.is_some(),
            input: Input::Mqtt { mqtt: Arc::new(mqtt) },
            body,
            left_out: Vec::new(),
        })
    }
}

impl Instant {
    fn deliverable(self, trigger: &VersionTrigger) -> Deliverable {
        let schedule = ScheduleInput {
            scheduled_at: self.scheduled_at.unwrap_or_else(Utc::now),
        };
        Deliverable {
            trigger: reference(trigger),
            matches: true,
            input: Input::Schedule { schedule },
            body: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
