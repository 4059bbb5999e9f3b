//! What should exist, for the reconciler.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use jobber_actors::domain::{
    ArchiveDigest, DesiredJob, DesiredTrigger, Environment, ImportState, JobId, JobVersion, Variable,
    VersionId,
};
use jobber_actors::manifest::Manifest;
use jobber_actors::ports::{Catalogue, CatalogueError};
use tokio_postgres::Row;
use uuid::Uuid;

use super::database::Database;
use super::environment::open;
use super::error::DatabaseError;
use crate::sealing::Keys;

/// Jobs with everything that is active of them, in one statement each: `$1` is a job's id or null for all.
const JOBS: &str = "select id, name, enabled, active_version from jobs where $1::uuid is null or id = $1";
const VARIABLES: &str = "select job_id, name, kind, sealed, value from environment_variables where $1::uuid is null or job_id = $1";
const VERSIONS: &str = "
    select v.id, v.job_id, a.id as action_id, v.name, v.manifest, v.archive, v.files, v.bytes, v.import_state,
           coalesce((select array_agg(t.trigger_id order by t.position)
                     from version_triggers t where t.version_id = v.id), '{}') as triggers
    from versions v join actions a on a.version_id = v.id
    where v.id = any($1)";
const RECORD_IMPORT: &str = "
    update versions
    set import_state = $2, imported_at = now(), import_error = case when $2 = 'failed' then import_error end
    where id = $1";

/// The catalogue of jobs in Postgres.
#[derive(Clone, Debug)]
pub struct PostgresCatalogue {
    database: Database,
    keys: Arc<Keys>,
}

impl PostgresCatalogue {
    /// The catalogue of this database.
    #[must_use]
    pub fn new(database: Database, keys: Arc<Keys>) -> Self {
        Self { database, keys }
    }

    async fn desired(&self, job: Option<JobId>) -> Result<Vec<DesiredJob>, DatabaseError> {
        let mut client = self.database.client().await?;
        // One snapshot for all statements: a deploy in between must not show half of itself.
        let transaction = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        let id: Option<Uuid> = job.map(|job| *job.as_uuid());
        let jobs = transaction
            .query(&transaction.prepare_cached(JOBS).await?, &[&id])
            .await?;
        let variables = transaction
            .query(&transaction.prepare_cached(VARIABLES).await?, &[&id])
            .await?;
        let active: Vec<Uuid> = jobs
            .iter()
            .filter_map(|row| row.get::<_, Option<Uuid>>("active_version"))
            .collect();
        let versions = transaction
            .query(&transaction.prepare_cached(VERSIONS).await?, &[&active])
            .await?;
        transaction.commit().await?;

        let mut versions: HashMap<Uuid, Row> = versions
            .into_iter()
            .map(|row| (row.get::<_, Uuid>("id"), row))
            .collect();
        let mut environments = environments(&variables, &self.keys);
        let mut desired = Vec::with_capacity(jobs.len());
        for row in jobs {
            let id: Uuid = row.get("id");
            let name: &str = row.get("name");
            let version = row
                .get::<_, Option<Uuid>>("active_version")
                .and_then(|id| versions.remove(&id));
            let active = match version.as_ref().map(version_of).transpose() {
                Ok(active) => active.map(Arc::new),
                Err(error) => {
                    // As if none were active: all other jobs are served, and another version of this one can be made ready.
                    tracing::error!(job = name, %error, "a job's active version can not be read; it is not served");
                    None
                }
            };
            let environment = match environments.remove(&id).transpose() {
                Ok(environment) => environment.unwrap_or_default(),
                Err(error) => {
                    tracing::error!(job = name, %error, "a job's variable can not be opened; the job is not served");
                    continue;
                }
            };
            desired.push(DesiredJob {
                id: id.into(),
                name: name.into(),
                enabled: row.get("enabled"),
                active,
                environment: Arc::new(environment),
            });
        }
        Ok(desired)
    }

    async fn find_version(&self, version: VersionId) -> Result<Option<JobVersion>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(VERSIONS).await?;
        let row = client.query_opt(&statement, &[&vec![*version.as_uuid()]]).await?;
        row.as_ref().map(version_of).transpose()
    }

    async fn set_import(&self, version: VersionId, state: ImportState) -> Result<(), DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(RECORD_IMPORT).await?;
        client
            .execute(&statement, &[version.as_uuid(), &import_state_name(state)])
            .await?;
        Ok(())
    }
}

#[async_trait]
impl Catalogue for PostgresCatalogue {
    async fn jobs(&self) -> Result<Vec<DesiredJob>, CatalogueError> {
        self.desired(None).await.map_err(failed)
    }

    async fn job(&self, job: JobId) -> Result<Option<DesiredJob>, CatalogueError> {
        Ok(self.desired(Some(job)).await.map_err(failed)?.pop())
    }

    async fn version(&self, version: VersionId) -> Result<Option<Arc<JobVersion>>, CatalogueError> {
        Ok(self.find_version(version).await.map_err(failed)?.map(Arc::new))
    }

    async fn record_import(&self, version: VersionId, state: ImportState) -> Result<(), CatalogueError> {
        self.set_import(version, state).await.map_err(failed)
    }
}

fn failed(error: DatabaseError) -> CatalogueError {
    CatalogueError(error.to_string())
}

/// The environment of each job that has variables, or why it can not be had.
fn environments(rows: &[Row], keys: &Keys) -> HashMap<Uuid, Result<Environment, DatabaseError>> {
    let mut by_job: HashMap<Uuid, Result<BTreeMap<String, Variable>, DatabaseError>> = HashMap::new();
    for row in rows {
        let (job, name): (Uuid, String) = (row.get("job_id"), row.get("name"));
        let environment = by_job.entry(job).or_insert_with(|| Ok(BTreeMap::new()));
        let Ok(variables) = environment else { continue };
        match open(keys, job.into(), &name, row) {
            Ok(value) => {
                let secret = row.get::<_, &str>("kind") == "secret";
                variables.insert(name, Variable { secret, value });
            }
            Err(error) => *environment = Err(error),
        }
    }
    let environment = |(job, variables): (_, Result<_, _>)| (job, variables.map(Environment::new));
    by_job.into_iter().map(environment).collect()
}

fn version_of(row: &Row) -> Result<JobVersion, DatabaseError> {
    let id: Uuid = row.get("id");
    let unexpected = |what: String| DatabaseError::Unexpected(format!("version {id}: {what}"));
    let checked = Manifest::check(&row.get("manifest")).map_err(|errors| unexpected(errors.to_string()))?;
    let triggers: Vec<Uuid> = row.get("triggers");
    Ok(JobVersion {
        id: id.into(),
        job: row.get::<_, Uuid>("job_id").into(),
        action: row.get::<_, Uuid>("action_id").into(),
        name: row.get::<_, &str>("name").into(),
        manifest: Arc::new(checked.manifest),
        archive: digest_of(row.get("archive"))?,
        files: u32::try_from(row.get::<_, i32>("files")).map_err(|error| unexpected(error.to_string()))?,
        bytes: u64::try_from(row.get::<_, i64>("bytes")).map_err(|error| unexpected(error.to_string()))?,
        triggers: triggers
            .into_iter()
            .enumerate()
            .map(|(index, trigger)| DesiredTrigger {
                id: trigger.into(),
                index,
            })
            .collect(),
        import: import_state_of(row.get("import_state"))?,
    })
}

pub(super) fn digest_of(bytes: &[u8]) -> Result<ArchiveDigest, DatabaseError> {
    let digest: [u8; 32] = bytes
        .try_into()
        .map_err(|_| DatabaseError::Unexpected("an archive's digest that is not of 32 bytes".to_owned()))?;
    Ok(digest.into())
}

pub(super) fn import_state_of(name: &str) -> Result<ImportState, DatabaseError> {
    match name {
        "untried" => Ok(ImportState::Untried),
        "succeeded" => Ok(ImportState::Succeeded),
        "failed" => Ok(ImportState::Failed),
        other => Err(DatabaseError::Unexpected(format!("the import state {other:?}"))),
    }
}

pub(super) fn import_state_name(state: ImportState) -> &'static str {
    match state {
        ImportState::Untried => "untried",
        ImportState::Succeeded => "succeeded",
        ImportState::Failed => "failed",
    }
}
