//! What starts a package: its `triggers`.

use std::fmt;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::mqtt::MqttTrigger;
use super::names::TriggerName;
use super::problem::ProblemCode;
use super::reader::{Fields, Node, nearest};
use crate::routing::{Hostname, MethodName, PathPattern, RoutePattern};
use crate::schedule::{CronExpression, Schedule, parse_zone};

/// One trigger of a package.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct TriggerConfig {
    /// The trigger's name; the handler sees it, and it keeps the trigger's identity when its settings change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<TriggerName>,
    /// Its kind and settings.
    #[serde(flatten)]
    pub kind: TriggerKind,
}

/// The kinds of triggers, with their settings.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum TriggerKind {
    /// HTTP requests on the gateway.
    Http(HttpTrigger),
    /// Instants of a cron expression.
    Schedule(ScheduleTrigger),
    /// Messages of an MQTT broker.
    Mqtt(Box<MqttTrigger>),
}

impl TriggerKind {
    /// `http`, `schedule` or `mqtt`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Schedule(_) => "schedule",
            Self::Mqtt(_) => "mqtt",
        }
    }
}

/// Requests of a host, a method and a path; each of them optional, absent is any.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
#[schemars(with = "HttpForm<'static>")]
pub struct HttpTrigger {
    /// The requests.
    pub route: RoutePattern,
}

/// How an HTTP trigger is written.
#[derive(Serialize, JsonSchema)]
struct HttpForm<'a> {
    /// The host that the request must name, without a port. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    /// The request's method. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    /// `/count` is that path, `/users/:id` has a parameter, `/files/*rest` has a wildcard, `^/…` is a regular expression
    /// whose named groups are parameters. Absent: any. The most specific route wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[/^]"))]
    path: Option<&'a str>,
}

impl Serialize for HttpTrigger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RoutePattern { host, method, path } = &self.route;
        HttpForm {
            hostname: host.as_ref().map(Hostname::as_str),
            method: method.as_ref().map(MethodName::as_str),
            path: path.as_ref().map(PathPattern::as_str),
        }
        .serialize(serializer)
    }
}

impl HttpTrigger {
    fn read(fields: &mut Fields<'_>) -> Self {
        let host = fields
            .take("hostname")
            .and_then(|node| node.parse(Hostname::parse));
        let method = fields
            .take("method")
            .and_then(|node| node.parse(MethodName::parse));
        let path = fields
            .take("path")
            .and_then(|node| node.parse(PathPattern::parse));
        Self {
            route: RoutePattern { host, method, path },
        }
    }
}

/// Instants of a cron expression on the wall clock of a time zone.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleTrigger {
    /// 5 fields (minute, hour, day of the month, month, day of the week), 6 with the second first, or an alias such as
    /// `@daily`.
    #[schemars(with = "String")]
    pub cron: CronExpression,
    /// The IANA name of the zone.
    #[serde(serialize_with = "zone_name", default = "utc")]
    #[schemars(with = "String")]
    pub timezone: Tz,
    /// Which of the instants missed while Jobber was down are made up for.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// What happens at an instant while the previous invocation still runs.
    #[serde(default)]
    pub overlap: Overlap,
}

fn zone_name<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

fn utc() -> Tz {
    Tz::UTC
}

/// Which missed instants are made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// None of them.
    #[default]
    None,
    /// The last one.
    Last,
    /// All, at most 100.
    All,
}

/// What happens when the previous invocation still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// Both run.
    #[default]
    Allow,
    /// The new one is left out.
    Skip,
    /// The new one waits.
    Queue,
}

impl ScheduleTrigger {
    /// When the trigger fires.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule {
            cron: self.cron.clone(),
            timezone: self.timezone,
        }
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let cron = fields
            .require("cron")
            .and_then(|node| node.parse(CronExpression::parse));
        let timezone = fields.take("timezone").map(|node| node.parse(parse_zone));
        let catch_up = fields.take("catchUp").and_then(|node| {
            node.choice(&[
                ("none", CatchUp::None),
                ("last", CatchUp::Last),
                ("all", CatchUp::All),
            ])
        });
        let overlap = fields.take("overlap").and_then(|node| {
            node.choice(&[
                ("allow", Overlap::Allow),
                ("skip", Overlap::Skip),
                ("queue", Overlap::Queue),
            ])
        });
        Some(Self {
            cron: cron?,
            timezone: timezone.unwrap_or(Some(Tz::UTC))?,
            catch_up: catch_up.unwrap_or_default(),
            overlap: overlap.unwrap_or_default(),
        })
    }
}

impl TriggerConfig {
    /// The trigger's identity within its job.
    #[must_use]
    pub fn key(&self) -> TriggerKey {
        TriggerKey::of(self)
    }

    pub(super) fn read(node: Node<'_>) -> Option<Self> {
        const TYPES: [&str; 3] = ["http", "schedule", "mqtt"];
        let mut fields = node.fields()?;
        let kind = fields.require("type")?;
        let given = kind.string()?;
        if !TYPES.contains(&given) {
            let hint = nearest(given, &TYPES)
                .map(|name| format!("; did you mean `{name}`?"))
                .unwrap_or_default();
            kind.error(
                ProblemCode::InvalidValue,
                format!("must be one of `http`, `schedule`, `mqtt`{hint}"),
            );
            return None;
        }
        let name = fields
            .take("name")
            .and_then(|node| node.parse(TriggerName::parse));
        let kind = match given {
            "http" => Some(TriggerKind::Http(HttpTrigger::read(&mut fields))),
            "schedule" => ScheduleTrigger::read(&mut fields).map(TriggerKind::Schedule),
            _ => MqttTrigger::read(&mut fields)
                .map(Box::new)
                .map(TriggerKind::Mqtt),
        };
        fields.warn_of_unknown();
        Some(Self { name, kind: kind? })
    }
}

/// What makes a trigger the same one in every version of its job: its type, and its name or else its settings.
///
/// The settings that count are those that say *what* starts the job (route, times, topics, broker), not how it is dealt
/// with (`qos`, `overlap`, the password, …). They go in as a hash of JSON with sorted keys: short enough for an index, and
/// without credentials.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TriggerKey(String);

impl TriggerKey {
    fn of(trigger: &TriggerConfig) -> Self {
        let kind = trigger.kind.name();
        if let Some(name) = &trigger.name {
            return Self(format!("{kind}:name:{name}"));
        }
        let settings = match &trigger.kind {
            TriggerKind::Http(http) => {
                let RoutePattern { host, method, path } = &http.route;
                json!({
                    "hostname": host.as_ref().map(Hostname::as_str),
                    "method": method.as_ref().map(MethodName::as_str),
                    "path": path.as_ref().map(PathPattern::as_str),
                })
            }
            TriggerKind::Schedule(schedule) => {
                json!({ "cron": schedule.cron.as_str(), "timezone": schedule.timezone.name() })
            }
            TriggerKind::Mqtt(mqtt) => mqtt.identity(),
        };
        let mut canonical = String::new();
        write_canonical(&settings, &mut canonical);
        Self(format!(
            "{kind}:settings:{}",
            hex::encode(Sha256::digest(canonical))
        ))
    }

    /// The key, at most 256 bytes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TriggerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TriggerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TriggerKey({:?})", self.0)
    }
}

/// JSON without spaces, its keys sorted, and without members that are null: a setting that is added to Jobber later does not
/// change the identity of those who do not use it.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(element, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
