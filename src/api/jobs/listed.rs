//! Jobs as a list shows them: on request with their runners and triggers, as they are now.

use std::collections::HashMap;

use jobber_actors::domain::{JobId, TriggerId};
use jobber_actors::trigger::{Health, TriggerSort};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{Action, Resource};
use crate::api::access::Access;
use crate::api::problem::ApiError;
use crate::api::state::{ApiState, resource};
use crate::store::{Declared, DeclaredTrigger, JobSummary, TriggerType};

/// A job of a list.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Listed {
    #[serde(flatten)]
    pub(super) job: JobSummary,
    /// With `detailed`: its runners. Null if one may not read them, or how it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    runners: Option<Option<RunnersOfJob>>,
    /// With `detailed`: the triggers of its active version that one may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    triggers: Option<Vec<TriggerOfJob>>,
}

/// How many runners a job has.
#[derive(Serialize, ToSchema)]
struct RunnersOfJob {
    /// Now, whatever stage they have come to.
    now: u32,
    /// At most; 0 is no limit of its own. Null without an active version.
    #[schema(required)]
    most: Option<u32>,
}

/// What starts a job, and how it stands with it.
#[derive(Serialize, ToSchema)]
struct TriggerOfJob {
    #[schema(value_type = uuid::Uuid)]
    id: TriggerId,
    name: Option<String>,
    #[serde(rename = "type")]
    #[schema(value_type = TriggerType)]
    kind: String,
    /// `healthy`, `unhealthy` or `unknown`.
    #[schema(value_type = String)]
    status: Health,
    /// Why.
    message: String,
}

impl From<JobSummary> for Listed {
    fn from(job: JobSummary) -> Self {
        Self {
            job,
            runners: None,
            triggers: None,
        }
    }
}

/// The same jobs with what they are made of now, as far as one may read that.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn detailed(
    state: &ApiState,
    access: &Access,
    jobs: Vec<JobSummary>,
) -> Result<Vec<Listed>, ApiError> {
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    let mut declared = state.jobs.declared(&ids).await?;
    let mut now: HashMap<JobId, u32> = HashMap::new();
    for runner in state.tree.runners(None) {
        *now.entry(runner.job_id).or_default() += 1;
    }
    let listed = jobs.into_iter().map(|job| {
        let path = resource(&job);
        let may_read = |part: &str| access.may(Action::Read, &path.clone().below(part));
        let declared = declared.remove(&job.id);
        let runners = (may_read("runners") && may_read("actions")).then(|| RunnersOfJob {
            now: now.get(&job.id).copied().unwrap_or_default(),
            most: declared.as_ref().map(|declared| declared.most_runners),
        });
        Listed {
            runners: Some(runners),
            triggers: Some(triggers(state, access, &path, declared.unwrap_or_default())),
            job,
        }
    });
    Ok(listed.collect())
}

/// Those that may be read, and how it stands with them.
fn triggers(state: &ApiState, access: &Access, job: &Resource, declared: Declared) -> Vec<TriggerOfJob> {
    let part = job.clone().below("triggers");
    let may_read = |trigger: &DeclaredTrigger| {
        let named = trigger.name.clone().unwrap_or_else(|| trigger.id.to_string());
        access.may(Action::Read, &part.clone().below_either(trigger.id, named))
    };
    let triggers = declared.triggers.into_iter();
    triggers
        .filter(may_read)
        .filter_map(|DeclaredTrigger { id, name, kind }| {
            let status = state.tree.trigger_status(id, TriggerSort::named(&kind)?);
            Some(TriggerOfJob {
                id,
                name,
                kind,
                status: status.status,
                message: status.message,
            })
        })
        .collect()
}
