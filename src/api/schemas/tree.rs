//! Runners and actors.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A runner.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Runner {
    id: Uuid,
    job_id: Uuid,
    version_id: Uuid,
    action_id: Uuid,
    /// How far it has come.
    stage: Stage,
    /// When it was asked for.
    created: DateTime<Utc>,
    /// When it began to serve.
    #[schema(required)]
    ready: Option<DateTime<Utc>>,
}

/// How far a runner has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RunnerStage)]
enum Stage {
    Starting,
    Loading,
    Ready,
    Ending,
}

/// What is known about an actor and all below it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Actor {
    id: u64,
    path: String,
    /// The last part of the path, as it was given.
    name: String,
    kind: String,
    state: State,
    /// Why it backs off, stops or has stopped.
    #[schema(required)]
    reason: Option<String>,
    /// Since when it does so, in milliseconds since the Unix epoch.
    since_unix_ms: u64,
    /// How often it was restarted.
    restarts: u32,
    /// Its last crash.
    #[schema(required)]
    last_failure: Option<Failure>,
    /// What it showed of itself last: of any type.
    observed: Value,
    /// When that was, in milliseconds since the Unix epoch.
    #[schema(required)]
    observed_unix_ms: Option<u64>,
    /// Whether it has shown itself when it was last asked to.
    responsive: bool,
    #[schema(no_recursion)]
    children: Vec<Actor>,
}

/// What an actor does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ActorState)]
enum State {
    Starting,
    Running,
    BackingOff,
    Stopping,
    Stopped,
}

/// A crash of an actor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ActorFailure)]
struct Failure {
    message: String,
    /// `file:line:column` of a panic, where it is known.
    #[schema(required)]
    location: Option<String>,
    /// When, in milliseconds since the Unix epoch.
    at_unix_ms: u64,
}
