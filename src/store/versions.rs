//! The transactions of publishing: a version comes into being inactive, and becomes the active one later.

use std::collections::HashSet;

use deadpool_postgres::Transaction;
use jobber_actors::domain::{ActionId, ArchiveDigest, ImportState, JobId, TriggerId, UserId, VersionId};
use jobber_actors::invocation::FunctionError;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::catalogue::{digest_of, import_state_of};
use super::database::Database;
use super::error::DatabaseError;
use super::routes::{self, RouteConflict};
use super::schedules;

const FIND: &str = "
    select j.id as job_id, j.enabled, v.id, a.id as action_id, v.archive, v.import_state,
           j.active_version is not distinct from v.id as active,
           coalesce((select array_agg(t.trigger_id order by t.position)
                     from version_triggers t where t.version_id = v.id), '{}') as triggers
    from jobs j join versions v on v.job_id = j.id join actions a on a.version_id = v.id
    where j.name = $1 and v.name = $2";
const FIND_BY_ID: &str = "
    select j.id as job_id, j.enabled, v.id, a.id as action_id, v.archive, v.import_state,
           j.active_version is not distinct from v.id as active,
           coalesce((select array_agg(t.trigger_id order by t.position)
                     from version_triggers t where t.version_id = v.id), '{}') as triggers
    from jobs j join versions v on v.job_id = j.id join actions a on a.version_id = v.id
    where v.job_id = $1 and v.id = $2";
const MANIFEST: &str = "select manifest from versions where id = $1";
const INSERT_JOB: &str = "insert into jobs (id, name) values ($1, $2) on conflict (name) do nothing";
/// Locks the job: it must not be removed under the new version.
const LOCK_JOB: &str = "select id, enabled from jobs where name = $1 for update";
const INSERT_VERSION: &str = "
    insert into versions (id, job_id, name, manifest, archive, files, bytes, packed_bytes, published_by, published_by_name)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const INSERT_ACTION: &str = "insert into actions (id, version_id) values ($1, $2)";
/// Keeps the id that the trigger already has.
const INSERT_TRIGGER: &str = "
    insert into triggers as t (id, job_id, key, kind, name) values ($1, $2, $3, $4, $5)
    on conflict (job_id, key) do update set name = excluded.name
    returning t.id";
const INSERT_VERSION_TRIGGER: &str =
    "insert into version_triggers (version_id, trigger_id, position, route) values ($1, $2, $3, $4)";
const RECORD_IMPORT_ERROR: &str =
    "update versions set import_state = 'failed', import_error = $2, imported_at = now() where id = $1";
const ACTIVATE: &str = "
    update jobs set active_version = $2, updated_at = now()
    where id = $1 and exists (select from versions where id = $2 and job_id = $1)";
const RECORD_IMPORT: &str =
    "update versions set import_state = 'succeeded', import_error = null, imported_at = now() where id = $1";
const REFERENCED: &str = "select distinct archive from versions where archive = any($1)";

/// A version to insert.
#[derive(Clone, Debug)]
pub struct NewVersion<'a> {
    /// The package's `name`.
    pub job_name: &'a str,
    /// The package's `version`.
    pub version_name: &'a str,
    /// The package.json as it was published. Without NUL characters, which Postgres does not keep.
    pub manifest: &'a Value,
    /// Where its files are.
    pub archive: ArchiveDigest,
    /// Number of files.
    pub files: u32,
    /// Sum of their sizes in bytes.
    pub bytes: u64,
    /// Bytes of the zip.
    pub packed_bytes: u64,
    /// The manifest's `triggers`, in order.
    pub triggers: Vec<NewTrigger>,
    /// Who publishes it, if that is known.
    pub by: Option<PublishedBy>,
}

/// Who published a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedBy {
    /// The user.
    #[schema(value_type = Option<Uuid>)]
    pub user_id: Option<UserId>,
    /// Their name then.
    pub username: String,
}

/// A trigger of a version to insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTrigger {
    /// Its identity within the job.
    pub key: String,
    /// `http`, `schedule` or `mqtt`.
    pub kind: &'static str,
    /// Its `name`, if it has one.
    pub name: Option<String>,
    /// Of an HTTP trigger: what is equal for two routes that no request can tell apart.
    pub route: Option<String>,
}

/// The ids of an inserted version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The job; made if it was the first version.
    pub job: JobId,
    /// Whether the job may serve at all.
    pub enabled: bool,
    /// The version.
    pub version: VersionId,
    /// Its action.
    pub action: ActionId,
    /// Its triggers, in the order of the manifest's.
    pub triggers: Vec<TriggerId>,
}

/// A version that was published before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownVersion {
    /// The job.
    pub job: JobId,
    /// The version.
    pub version: VersionId,
    /// Its action.
    pub action: ActionId,
    /// Its content.
    pub archive: ArchiveDigest,
    /// Whether it could be imported.
    pub import: ImportState,
    /// Whether it is the active one.
    pub active: bool,
    /// Whether the job may serve at all.
    pub enabled: bool,
    /// Its triggers, in the order of the manifest's.
    pub triggers: Vec<TriggerId>,
}

/// Why a version was not activated.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// Postgres is out of reach or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Other jobs answer these routes.
    #[error("{}", routes::describe(.0))]
    Conflict(Vec<RouteConflict>),
    /// The version, or its job, is gone.
    #[error("the version does not exist any more")]
    Gone,
}

/// Versions and their activation.
#[derive(Clone, Debug)]
pub struct PublishStore {
    pub(super) database: Database,
}

impl PublishStore {
    /// The versions in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The version of this name, if it was published before.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(&self, job: &str, version: &str) -> Result<Option<KnownVersion>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIND).await?;
        client
            .query_opt(&statement, &[&job, &version])
            .await?
            .as_ref()
            .map(known_of)
            .transpose()
    }

    /// The version of this id, if it is one of the job's.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find_by_id(
        &self,
        job: JobId,
        version: VersionId,
    ) -> Result<Option<KnownVersion>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIND_BY_ID).await?;
        client
            .query_opt(&statement, &[job.as_uuid(), version.as_uuid()])
            .await?
            .as_ref()
            .map(known_of)
            .transpose()
    }

    /// The manifest of a version, as it was published.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn manifest(&self, version: VersionId) -> Result<Option<Value>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(MANIFEST).await?;
        let row = client.query_opt(&statement, &[version.as_uuid()]).await?;
        Ok(row.map(|row| row.get("manifest")))
    }

    /// Inserts a version with its action and triggers, and its job if it is the first, in one transaction. It is
    /// not active. The caller holds the job's [`JobLock`](super::JobLock).
    ///
    /// # Errors
    /// [`DatabaseError`]; then nothing is inserted.
    pub async fn insert(&self, new: &NewVersion<'_>) -> Result<Inserted, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        transaction
            .execute(INSERT_JOB, &[JobId::generate().as_uuid(), &new.job_name])
            .await?;
        let job = transaction.query_one(LOCK_JOB, &[&new.job_name]).await?;
        let (job, enabled): (Uuid, bool) = (job.get("id"), job.get("enabled"));
        let (version, action) = (VersionId::generate(), ActionId::generate());
        let by = new.by.as_ref();
        transaction
            .execute(
                INSERT_VERSION,
                &[
                    version.as_uuid(),
                    &job,
                    &new.version_name,
                    &new.manifest,
                    &new.archive.as_bytes().as_slice(),
                    &(i32::try_from(new.files).unwrap_or(i32::MAX)),
                    &(i64::try_from(new.bytes).unwrap_or(i64::MAX)),
                    &(i64::try_from(new.packed_bytes).unwrap_or(i64::MAX)),
                    &by.and_then(|by| by.user_id).map(|id| *id.as_uuid()),
                    &by.map(|by| &by.username),
                ],
            )
            .await?;
        transaction
            .execute(INSERT_ACTION, &[action.as_uuid(), version.as_uuid()])
            .await?;
        let triggers = insert_triggers(&transaction, job, version, &new.triggers).await?;
        transaction.commit().await?;
        Ok(Inserted {
            job: job.into(),
            enabled,
            version,
            action,
            triggers,
        })
    }

    /// Records that a version could not be imported, and why.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn record_import_error(
        &self,
        version: VersionId,
        error: &FunctionError,
    ) -> Result<(), DatabaseError> {
        let text = |text: &str| Value::String(text.replace('\0', "\u{fffd}"));
        let error = serde_json::json!({
            "name": text(&error.name), "message": text(&error.message), "stack": text(&error.stack),
            "code": error.code.as_deref().map(text),
        });
        let client = self.database.client().await?;
        let statement = client.prepare_cached(RECORD_IMPORT_ERROR).await?;
        client.execute(&statement, &[version.as_uuid(), &error]).await?;
        Ok(())
    }

    /// Those of `routes` that active versions of other jobs already answer.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn conflicts(
        &self,
        job_name: &str,
        routes: &[&str],
    ) -> Result<Vec<RouteConflict>, DatabaseError> {
        let client = self.database.client().await?;
        routes::conflicts(&client, job_name, routes).await
    }

    /// Makes a version its job's active one. One such transaction at a time looks at the routes of all jobs, so two
    /// jobs never get the same one. Schedules that the version before did not have begin anew. `imported` records that a
    /// runner has imported it.
    ///
    /// # Errors
    /// [`ActivateError`]; then the version that was active still is.
    pub async fn activate(
        &self,
        job: JobId,
        version: VersionId,
        imported: bool,
    ) -> Result<(), ActivateError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await.map_err(DatabaseError::from)?;
        routes::lock(&transaction).await?;
        let conflicts = routes::conflicts_of_version(&transaction, version)
            .await?
            .ok_or(ActivateError::Gone)?;
        if !conflicts.is_empty() {
            return Err(ActivateError::Conflict(conflicts));
        }
        schedules::forget(&transaction, job, version).await?;
        let activated = transaction
            .execute(ACTIVATE, &[job.as_uuid(), version.as_uuid()])
            .await;
        if activated.map_err(DatabaseError::from)? == 0 {
            return Err(ActivateError::Gone);
        }
        if imported {
            transaction
                .execute(RECORD_IMPORT, &[version.as_uuid()])
                .await
                .map_err(DatabaseError::from)?;
        }
        transaction.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Those of `archives` that a version refers to.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn referenced(
        &self,
        archives: &[ArchiveDigest],
    ) -> Result<HashSet<ArchiveDigest>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(REFERENCED).await?;
        let digests: Vec<&[u8]> = archives
            .iter()
            .map(|digest| digest.as_bytes().as_slice())
            .collect();
        let rows = client.query(&statement, &[&digests]).await?;
        rows.iter().map(|row| digest_of(row.get("archive"))).collect()
    }
}

async fn insert_triggers(
    transaction: &Transaction<'_>,
    job: Uuid,
    version: VersionId,
    triggers: &[NewTrigger],
) -> Result<Vec<TriggerId>, DatabaseError> {
    let mut ids = Vec::with_capacity(triggers.len());
    for (position, trigger) in (0_i32..).zip(triggers) {
        let id = TriggerId::generate();
        let row = transaction
            .query_one(
                INSERT_TRIGGER,
                &[id.as_uuid(), &job, &trigger.key, &trigger.kind, &trigger.name],
            )
            .await?;
        let id: Uuid = row.get("id");
        transaction
            .execute(
                INSERT_VERSION_TRIGGER,
                &[version.as_uuid(), &id, &position, &trigger.route],
            )
            .await?;
        ids.push(id.into());
    }
    Ok(ids)
}

fn known_of(row: &Row) -> Result<KnownVersion, DatabaseError> {
    Ok(KnownVersion {
        job: row.get::<_, Uuid>("job_id").into(),
        version: row.get::<_, Uuid>("id").into(),
        action: row.get::<_, Uuid>("action_id").into(),
        archive: digest_of(row.get("archive"))?,
        import: import_state_of(row.get("import_state"))?,
        active: row.get("active"),
        enabled: row.get("enabled"),
        triggers: row
            .get::<_, Vec<Uuid>>("triggers")
            .into_iter()
            .map(TriggerId::from)
            .collect(),
    })
}
