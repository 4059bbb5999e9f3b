//! What jobs declare that are listed: what starts them, and how many runners they may have.

use std::collections::HashMap;

use jobber_actors::domain::{JobId, TriggerId};
use jobber_actors::manifest::ActionConfig;
use serde_json::Value;
use uuid::Uuid;

use super::JobStore;
use crate::store::error::DatabaseError;

const MOST_RUNNERS: &str = "
    select j.id, v.manifest #> '{action,runnerMaxCount}' as most
    from jobs j join versions v on v.id = j.active_version where j.id = any ($1)";
const TRIGGERS: &str = "
    select j.id as job_id, t.id, t.name, t.kind
    from jobs j join version_triggers vt on vt.version_id = j.active_version join triggers t on t.id = vt.trigger_id
    where j.id = any ($1) order by j.id, vt.position";

/// What the active version of a job declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Most runners; 0 is no limit of its own.
    pub most_runners: u32,
    /// What starts it, in the manifest's order.
    pub triggers: Vec<DeclaredTrigger>,
}

/// A trigger of an active version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredTrigger {
    /// Its id.
    pub id: TriggerId,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// `http`, `mqtt` or `schedule`.
    pub kind: String,
}

impl JobStore {
    /// What the active versions of these jobs declare. Jobs without one are left out. Two queries, whatever their number.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn declared(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Declared>, DatabaseError> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let client = self.database.client().await?;
        let statement = client.prepare_cached(MOST_RUNNERS).await?;
        let mut declared: HashMap<JobId, Declared> = HashMap::new();
        for row in client.query(&statement, &[&ids]).await? {
            let most = row.get::<_, Option<Value>>("most");
            let of_job = Declared {
                most_runners: most_runners(most.as_ref()),
                triggers: Vec::new(),
            };
            declared.insert(row.get::<_, Uuid>("id").into(), of_job);
        }
        let statement = client.prepare_cached(TRIGGERS).await?;
        for row in client.query(&statement, &[&ids]).await? {
            let of_job = declared.entry(row.get::<_, Uuid>("job_id").into()).or_default();
            of_job.triggers.push(DeclaredTrigger {
                id: row.get::<_, Uuid>("id").into(),
                name: row.get("name"),
                kind: row.get("kind"),
            });
        }
        Ok(declared)
    }
}

/// What a manifest that was checked when it was published says, or its default.
fn most_runners(declared: Option<&Value>) -> u32 {
    let number = declared.and_then(Value::as_u64);
    let default = || ActionConfig::default().runner_max_count.map_or(0, u32::from);
    number
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_else(default)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_that_says_nothing_has_the_default() {
        assert_eq!(most_runners(None), 16);
        assert_eq!(most_runners(Some(&json!(3))), 3);
        assert_eq!(most_runners(Some(&json!(0))), 0);
    }
}
