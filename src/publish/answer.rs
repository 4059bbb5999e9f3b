//! What a publish answers.

use jobber_actors::domain::{ActionId, JobId, TriggerId, VersionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::package::{Package, PackageTrigger};
use crate::store::KnownVersion;

/// What publishing came to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The job.
    #[schema(value_type = uuid::Uuid)]
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// The version.
    #[schema(value_type = uuid::Uuid)]
    pub job_version_id: VersionId,
    /// Its name.
    pub version: String,
    /// Its action.
    #[schema(value_type = uuid::Uuid)]
    pub action_id: ActionId,
    /// What this publish changed.
    pub change: Change,
    /// Whether the version is the active one.
    pub active: bool,
    /// Its HTTP triggers.
    pub routes: Vec<PublishedRoute>,
    /// All its triggers.
    pub triggers: Vec<PublishedTrigger>,
    /// What the author should look at.
    pub warnings: Vec<Warning>,
}

/// What a publish changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = PublishedChange)]
pub enum Change {
    /// A new version was kept.
    Published,
    /// The version existed and was activated.
    Activated,
    /// Nothing: the same content is already there.
    Unchanged,
}

/// One HTTP route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedRoute {
    /// Its trigger.
    #[schema(value_type = uuid::Uuid)]
    pub trigger_id: TriggerId,
    /// Absent for any.
    pub method: Option<String>,
    /// Absent for any.
    pub hostname: Option<String>,
    /// As it is in the manifest; absent for any.
    pub path: Option<String>,
    /// Where to call it. Parameters are left as they are in the path; absent for a regular expression.
    pub url: Option<String>,
}

/// One trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PublishedTrigger {
    /// Its id, the same for every version that has this trigger.
    #[schema(value_type = uuid::Uuid)]
    pub id: TriggerId,
    /// `http`, `schedule` or `mqtt`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name, if it has one.
    pub name: Option<String>,
}

/// Something that does not keep a package from being published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// Where in the package.json, as a JSON pointer; empty if it is about something else.
    pub pointer: String,
    /// A stable code.
    pub code: String,
    /// What it is about.
    pub message: String,
}

impl Published {
    /// The answer about a version that was kept and is not activated anew.
    pub(super) fn of(known: &KnownVersion, package: &Package, gateway_url: &str) -> Self {
        let triggers = || package.triggers.iter().zip(&known.triggers);
        let route = |(trigger, id): (&PackageTrigger, &TriggerId)| {
            trigger.route.as_ref().map(|route| PublishedRoute {
                trigger_id: *id,
                method: route.method.clone(),
                hostname: route.hostname.clone(),
                path: route.path.clone(),
                url: route.url(gateway_url),
            })
        };
        let trigger = |(trigger, id): (&PackageTrigger, &TriggerId)| PublishedTrigger {
            id: *id,
            kind: trigger.kind,
            name: trigger.name.clone(),
        };
        let mut warnings = package.warnings.clone();
        if !known.enabled {
            let message = "the job is disabled; it serves once it is enabled";
            warnings.push(Warning::new("job-disabled", message.to_owned()));
        }
        Self {
            job_id: known.job,
            name: package.name.clone(),
            job_version_id: known.version,
            version: package.version.clone(),
            action_id: known.action,
            change: Change::Unchanged,
            active: known.active,
            routes: triggers().filter_map(route).collect(),
            triggers: triggers().map(trigger).collect(),
            warnings,
        }
    }
}

impl Warning {
    /// A warning that is not about a place in the package.json.
    pub(super) fn new(code: &str, message: String) -> Self {
        Self {
            pointer: String::new(),
            code: code.to_owned(),
            message,
        }
    }
}
