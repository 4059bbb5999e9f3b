//! What stands in place of a part of a version that can not be served.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{JobAction, Trigger};

/// How a version runs, or why it can not.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api) enum JobActionOrProblems {
    Action(Box<JobAction>),
    Unreadable(Unreadable),
}

/// What starts a job, or why it can not.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api) enum TriggerOrProblems {
    Trigger(Box<Trigger>),
    Unreadable(Unreadable),
}

/// Of a version that was published when more was allowed than today, and so can not be served.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Unreadable {
    id: Uuid,
    job_id: Uuid,
    version_id: Uuid,
    /// The version's name.
    version: String,
    /// Of a trigger: what kind it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<TriggerKind>,
    /// Of a trigger: its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What is wrong with its manifest.
    problems: Vec<ManifestProblem>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TriggerKind {
    Http,
    Mqtt,
    Schedule,
}

/// What is wrong with a manifest.
#[derive(Serialize, ToSchema)]
struct ManifestProblem {
    /// Where in the manifest, as a JSON pointer.
    pointer: String,
    /// What is wrong, for programs.
    code: String,
    /// What is wrong, for people.
    message: String,
}
