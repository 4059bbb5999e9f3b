//! No two jobs answer the same HTTP route.
//!
//! A route's key is equal for two routes that no request can tell apart. It is kept with each trigger of each
//! version, so that a conflict is found by comparing texts. What counts is the active version of every enabled job:
//! a disabled job's routes may be taken, and are looked at again when it is enabled.

use deadpool_postgres::GenericClient;
use jobber_actors::domain::{JobId, VersionId};
use serde_json::Value;
use tokio_postgres::Row;

use super::error::DatabaseError;

/// Held by every transaction that may give a job routes.
const ROUTES_LOCK: i64 = 0x6a6f_6272_6f75_7465;
const LOCK: &str = "select pg_advisory_xact_lock($1)";
const OF_PACKAGE: &str = "
    select vt.route, v.manifest #> array['triggers', vt.position::text] as trigger, j.name as job
    from jobs j join versions v on v.id = j.active_version join version_triggers vt on vt.version_id = v.id
    where j.enabled and j.name <> $1 and vt.route = any($2)
    order by vt.route";
const OF_VERSION: &str = "
    select other.route, other.trigger, other.job
    from versions v left join lateral (
        select vt.route, v.manifest #> array['triggers', own.position::text] as trigger, j.name as job
        from version_triggers own
             join version_triggers vt on vt.route = own.route
             join jobs j on j.active_version = vt.version_id
        where own.version_id = v.id and j.enabled and j.id <> v.job_id
    ) other on true
    where v.id = $1
    order by other.route";
const OF_JOB: &str = "
    select vt.route, v.manifest #> array['triggers', own.position::text] as trigger, other.name as job
    from jobs j join versions v on v.id = j.active_version join version_triggers own on own.version_id = v.id
         join version_triggers vt on vt.route = own.route
         join jobs other on other.active_version = vt.version_id
    where j.id = $1 and other.enabled and other.id <> j.id
    order by vt.route";

/// A route that another job already answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConflict {
    /// The route's key, which leaves the names of its parameters out.
    pub key: String,
    /// The route as it is written by the package that wants it or, as long as that is not known, by the one that has it.
    pub route: String,
    /// The name of the job that has it.
    pub job: String,
    /// Index of the trigger that wants it in the manifest's `triggers`, if that is known.
    pub trigger: Option<usize>,
}

/// All conflicts in one sentence each.
pub(super) fn describe(conflicts: &[RouteConflict]) -> String {
    let sentence =
        |conflict: &RouteConflict| format!("the route {} belongs to job {}", conflict.route, conflict.job);
    conflicts.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

/// Waits until no other transaction is giving a job routes; held until this one ends.
pub(super) async fn lock(transaction: &impl GenericClient) -> Result<(), DatabaseError> {
    transaction.execute(LOCK, &[&ROUTES_LOCK]).await?;
    Ok(())
}

/// Those of `routes` that jobs other than `job_name` answer.
pub(super) async fn conflicts(
    client: &impl GenericClient,
    job_name: &str,
    routes: &[&str],
) -> Result<Vec<RouteConflict>, DatabaseError> {
    Ok(client
        .query(OF_PACKAGE, &[&job_name, &routes])
        .await?
        .iter()
        .map(conflict_of)
        .collect())
}

/// What a version's routes meet; `None` if there is no such version.
pub(super) async fn conflicts_of_version(
    client: &impl GenericClient,
    version: VersionId,
) -> Result<Option<Vec<RouteConflict>>, DatabaseError> {
    let rows = client.query(OF_VERSION, &[version.as_uuid()]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let met = |row: &&Row| row.get::<_, Option<&str>>("route").is_some();
    Ok(Some(rows.iter().filter(met).map(conflict_of).collect()))
}

/// What the routes of a job's active version meet.
pub(super) async fn conflicts_of_job(
    client: &impl GenericClient,
    job: JobId,
) -> Result<Vec<RouteConflict>, DatabaseError> {
    Ok(client
        .query(OF_JOB, &[job.as_uuid()])
        .await?
        .iter()
        .map(conflict_of)
        .collect())
}

fn conflict_of(row: &Row) -> RouteConflict {
    let key: String = row.get("route");
    let trigger: Option<Value> = row.get("trigger");
    RouteConflict {
        route: trigger.as_ref().map_or_else(|| key.clone(), written),
        key,
        job: row.get("job"),
        trigger: None,
    }
}

/// The route of an HTTP trigger as its manifest has it, in the form of [`RoutePattern`](jobber_actors::routing::RoutePattern)'s.
fn written(trigger: &Value) -> String {
    let method = trigger["method"].as_str().unwrap_or("*").to_ascii_uppercase();
    let host = trigger["hostname"].as_str().unwrap_or_default();
    let path = trigger["path"].as_str().unwrap_or("*");
    format!("{method} {host}{path}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_is_told_as_its_package_has_it() {
        let told = |trigger| written(&trigger);
        assert_eq!(
            told(json!({ "method": "get", "hostname": "a.b", "path": "/hello/:name" })),
            "GET a.b/hello/:name"
        );
        assert_eq!(told(json!({ "path": "/x" })), "* /x");
        assert_eq!(told(json!({})), "* *");
    }
}
