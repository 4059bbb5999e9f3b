//! Jobs as people see them: for the admin API.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jobber_actors::domain::{ArchiveDigest, JobId, UserId, VersionId};
use jobber_actors::manifest::{Manifest, TriggerKind};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use utoipa::ToSchema;
use uuid::Uuid;

use super::catalogue::digest_of;
use super::database::Database;
use super::error::DatabaseError;
use super::routes;
use super::schedules;
use super::versions::{ActivateError, PublishedBy};

/// Instants that a schedule's answer tells.
const NEXT_INSTANTS: usize = 5;

/// `$1` is an id, `$2` a name; both null means all jobs.
const JOBS: &str = "
    select j.id, j.name, j.enabled, coalesce(j.description, v.manifest ->> 'description') as description,
           j.active_version, v.name as version, coalesce(v.manifest -> 'links', '[]'::jsonb) as links,
           j.created_at, j.updated_at
    from jobs j left join versions v on v.id = j.active_version
    where ($1::uuid is null or j.id = $1) and ($2::text is null or j.name = $2)
    order by j.name";
const VERSIONS: &str = "
    select v.id, v.name, v.archive, v.files, v.bytes, v.packed_bytes, v.import_state, v.import_error, v.imported_at,
           v.published_at, v.published_by, v.published_by_name, j.active_version is not distinct from v.id as active
    from versions v join jobs j on j.id = v.job_id
    where v.job_id = $1 order by v.published_at desc, v.id desc";
const UPDATE: &str = "
    update jobs
    set enabled = coalesce($2, enabled), description = coalesce($3, description), updated_at = now()
    where id = $1";
const REMOVE: &str = "delete from jobs where id = $1";
const REMOVE_LOGS: &str = "delete from runner_logs where job_id = $1";
/// `$1` null means all jobs; `$2` is `all`, `latest` or `current`.
const ACTIONS: &str = "
    select a.id, v.job_id, v.id as version_id, v.name as version, v.manifest
    from versions v join jobs j on j.id = v.job_id join actions a on a.version_id = v.id
    where ($1::uuid is null or v.job_id = $1)
      and case $2
            when 'current' then v.id = j.active_version
            when 'latest' then v.id = (select l.id from versions l where l.job_id = j.id
                                       order by l.published_at desc, l.id desc limit 1)
            else true
          end
    order by v.published_at desc, v.id desc";
const TRIGGERS: &str = "
    select t.id, v.job_id, v.id as version_id, v.name as version, vt.position,
           case when vt.position = 0 then v.manifest end as manifest
    from versions v join jobs j on j.id = v.job_id
         join version_triggers vt on vt.version_id = v.id join triggers t on t.id = vt.trigger_id
    where ($1::uuid is null or v.job_id = $1)
      and case $2
            when 'current' then v.id = j.active_version
            when 'latest' then v.id = (select l.id from versions l where l.job_id = j.id
                                       order by l.published_at desc, l.id desc limit 1)
            else true
          end
    order by v.published_at desc, v.id desc, vt.position";

/// A job as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: JobId,
    /// Its unique name.
    pub name: String,
    /// What it is for: set by a person, or else by the active version.
    pub description: Option<String>,
    /// `enabled` or `disabled`.
    pub status: JobStatus,
    /// The active version's id.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub job_version_id: Option<VersionId>,
    /// The active version's name.
    pub version: Option<String>,
    /// The active version's links.
    pub links: Value,
    /// When its first version was published.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub modified: DateTime<Utc>,
}

/// Whether a job serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// It does, if it has an active version.
    Enabled,
    /// It keeps its data, and has no routes and no runners.
    Disabled,
}

/// What to change of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobPatch {
    /// Whether it serves.
    pub status: Option<JobStatus>,
    /// Its description.
    pub description: Option<String>,
}

/// A version as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionSummary {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: VersionId,
    /// The package's `version`.
    pub version: String,
    /// Whether it is the active one.
    pub active: bool,
    /// The digest of its content.
    pub digest: String,
    /// The same, to find the archive.
    #[serde(skip)]
    pub archive: ArchiveDigest,
    /// Number of files.
    pub files: i32,
    /// Sum of the files' sizes in bytes.
    pub bytes: i64,
    /// Bytes of the zip.
    pub packed_bytes: i64,
    /// `untried`, `succeeded` or `failed`.
    pub import_state: String,
    /// What its import threw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_error: Option<Value>,
    /// When a runner last tried to import it.
    pub imported: Option<DateTime<Utc>>,
    /// When it was published.
    pub created: DateTime<Utc>,
    /// By whom, if that is known.
    pub published_by: Option<PublishedBy>,
}

/// Which of a job's versions to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// All of them.
    All,
    /// The one that was published last.
    Latest,
    /// The active one.
    Current,
}

/// The jobs.
#[derive(Clone, Debug)]
pub struct JobStore {
    database: Database,
}

impl JobStore {
    /// The jobs in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Every job, by name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(&self) -> Result<Vec<JobSummary>, DatabaseError> {
        let rows = self.query(None, None).await?;
        Ok(rows.iter().map(job_of).collect())
    }

    /// The job of this id or name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(&self, id_or_name: &str) -> Result<Option<JobSummary>, DatabaseError> {
        // A package may be named like an id; whoever gives an id means the id.
        if let Ok(id) = Uuid::try_parse(id_or_name)
            && let Some(row) = self.query(Some(id), None).await?.first()
        {
            return Ok(Some(job_of(row)));
        }
        if id_or_name.contains('\0') {
            return Ok(None);
        }
        Ok(self.query(None, Some(id_or_name)).await?.first().map(job_of))
    }

    async fn query(&self, id: Option<Uuid>, name: Option<&str>) -> Result<Vec<Row>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(JOBS).await?;
        Ok(client.query(&statement, &[&id, &name]).await?)
    }

    /// A job's versions, newest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn versions(&self, job: JobId) -> Result<Vec<VersionSummary>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(VERSIONS).await?;
        let rows = client.query(&statement, &[job.as_uuid()]).await?;
        rows.iter().map(version_of).collect()
    }

    /// The actions of a job's versions, or of all jobs': the manifest's `action` with all defaults, and ids.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn actions(&self, job: Option<JobId>, which: Versions) -> Result<Vec<Value>, DatabaseError> {
        let job = job.map(|job| *job.as_uuid());
        let client = self.database.client().await?;
        let statement = client.prepare_cached(ACTIONS).await?;
        let rows = client.query(&statement, &[&job, &which.name()]).await?;
        let action = |row: &Row| with_ids(&manifest_of(row)?.action, row);
        rows.iter().map(action).collect()
    }

    /// The triggers of a job's versions, or of all jobs': the manifest's `triggers` with all defaults, without passwords, and ids; of a
    /// schedule also its next five instants after `now`.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn triggers(
        &self,
        job: Option<JobId>,
        which: Versions,
        now: DateTime<Utc>,
    ) -> Result<Vec<Value>, DatabaseError> {
        let job = job.map(|job| *job.as_uuid());
        let client = self.database.client().await?;
        let statement = client.prepare_cached(TRIGGERS).await?;
        let rows = client.query(&statement, &[&job, &which.name()]).await?;
        let mut triggers = Vec::with_capacity(rows.len());
        let mut configs = Vec::new().into_iter();
        for row in &rows {
            // A version's first trigger brings the manifest along; the others follow in its order.
            if row.get::<_, i32>("position") == 0 {
                configs = manifest_of(row)?.triggers.into_iter();
            }
            let config = configs.next().ok_or_else(|| {
                DatabaseError::Unexpected("a version with more triggers than its manifest".to_owned())
            })?;
            let mut trigger = with_ids(&config, row)?;
            if let TriggerKind::Schedule(schedule) = &config.kind {
                let next: Vec<_> = schedule
                    .schedule()
                    .instants_after(now)
                    .take(NEXT_INSTANTS)
                    .collect();
                trigger["next"] = json!(next);
            }
            triggers.push(trigger);
        }
        Ok(triggers)
    }

    /// Changes a job. When it is enabled, its schedules begin anew.
    ///
    /// # Errors
    /// [`ActivateError::Conflict`] when it shall serve again and its routes were taken meanwhile,
    /// [`ActivateError::Gone`] when it does not exist, or a [`DatabaseError`].
    pub async fn update(&self, job: JobId, patch: &JobPatch) -> Result<(), ActivateError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await.map_err(DatabaseError::from)?;
        if patch.status == Some(JobStatus::Enabled) {
            routes::lock(&transaction).await?;
            let conflicts = routes::conflicts_of_job(&transaction, job).await?;
            if !conflicts.is_empty() {
                return Err(ActivateError::Conflict(conflicts));
            }
            schedules::begin_anew(&transaction, job).await?;
        }
        let enabled = patch.status.map(|status| status == JobStatus::Enabled);
        let updated = transaction
            .execute(UPDATE, &[job.as_uuid(), &enabled, &patch.description])
            .await;
        if updated.map_err(DatabaseError::from)? == 0 {
            return Err(ActivateError::Gone);
        }
        transaction.commit().await.map_err(DatabaseError::from)?;
        Ok(())
    }

    /// Removes a job with all its versions, variables, deliveries, stored items and log lines. `false` if it was not there.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn remove(&self, job: JobId) -> Result<bool, DatabaseError> {
        /// A function that is writing to its store at this moment may hold what the removal waits for, and wait for
        /// what the removal holds; Postgres ends one of them.
        const ATTEMPTS: u32 = 5;
        const PAUSE: Duration = Duration::from_millis(100);
        let mut attempt = 1;
        loop {
            match self.try_remove(job).await {
                Err(error)
                    if error.sql_state() == Some(&SqlState::T_R_DEADLOCK_DETECTED) && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                removed => return removed,
            }
        }
    }

    async fn try_remove(&self, job: JobId) -> Result<bool, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let removed = transaction.execute(REMOVE, &[job.as_uuid()]).await?;
        transaction.execute(REMOVE_LOGS, &[job.as_uuid()]).await?;
        transaction.commit().await?;
        Ok(removed > 0)
    }
}

impl Versions {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Latest => "latest",
            Self::Current => "current",
        }
    }
}

fn job_of(row: &Row) -> JobSummary {
    JobSummary {
        id: row.get::<_, Uuid>("id").into(),
        name: row.get("name"),
        description: row.get("description"),
        status: if row.get("enabled") {
            JobStatus::Enabled
        } else {
            JobStatus::Disabled
        },
        job_version_id: row.get::<_, Option<Uuid>>("active_version").map(VersionId::from),
        version: row.get("version"),
        links: row.get("links"),
        created: row.get("created_at"),
        modified: row.get("updated_at"),
    }
}

fn version_of(row: &Row) -> Result<VersionSummary, DatabaseError> {
    let archive = digest_of(row.get("archive"))?;
    let publisher: Option<String> = row.get("published_by_name");
    Ok(VersionSummary {
        archive,
        digest: archive.to_string(),
        published_by: publisher.map(|username| PublishedBy {
            user_id: row.get::<_, Option<Uuid>>("published_by").map(UserId::from),
            username,
        }),
        id: row.get::<_, Uuid>("id").into(),
        version: row.get("name"),
        active: row.get("active"),
        files: row.get("files"),
        bytes: row.get("bytes"),
        packed_bytes: row.get("packed_bytes"),
        import_state: row.get("import_state"),
        import_error: row.get("import_error"),
        imported: row.get("imported_at"),
        created: row.get("published_at"),
    })
}

fn manifest_of(row: &Row) -> Result<Manifest, DatabaseError> {
    let checked = Manifest::check(&row.get("manifest"));
    Ok(checked
        .map_err(|errors| DatabaseError::Unexpected(errors.to_string()))?
        .manifest)
}

/// A part of a manifest with the ids that belong to it.
fn with_ids(part: &impl Serialize, row: &Row) -> Result<Value, DatabaseError> {
    let mut value =
        serde_json::to_value(part).map_err(|error| DatabaseError::Unexpected(error.to_string()))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("id".to_owned(), row.get::<_, Uuid>("id").to_string().into());
        object.insert(
            "jobId".to_owned(),
            row.get::<_, Uuid>("job_id").to_string().into(),
        );
        object.insert(
            "versionId".to_owned(),
            row.get::<_, Uuid>("version_id").to_string().into(),
        );
        object.insert("version".to_owned(), row.get::<_, String>("version").into());
    }
    Ok(value)
}
