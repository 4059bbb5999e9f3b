//! Jobs as people see them: for the admin API.

mod parts;
mod serving;
mod versions;

use std::time::Duration;

use chrono::{DateTime, Utc};
use jobber_actors::domain::{ArchiveDigest, JobId, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use utoipa::ToSchema;
use uuid::Uuid;

pub use parts::{ActionSort, TriggerFilter, TriggerSort, TriggerType, VersionTrigger, Versions};
pub use serving::{Declared, DeclaredTrigger};
pub use versions::{VersionFilter, VersionSort, VersionSummary};

use super::catalogue::digest_of;
use super::database::Database;
use super::error::DatabaseError;
use super::listing::{self, Column, Listing, Order, Page, Sort};
use super::routes;
use super::schedules;
use super::versions::ActivateError;

/// `$1` is an id, `$2` a name, `$3` whether they are enabled, `$4` a part of name or description; null means all.
const JOBS: &str = "
    select j.id, j.name, j.enabled, coalesce(j.description, v.manifest ->> 'description') as description,
           j.active_version, v.name as version, coalesce(v.manifest -> 'links', '[]'::jsonb) as links,
           j.created_at, j.updated_at,
           case 'failed' when v.import_state then v.id when n.import_state then n.id end as failed_version,
           case 'failed' when v.import_state then v.name when n.import_state then n.name end as failed_version_name
    from jobs j left join versions v on v.id = j.active_version
         left join lateral (select id, name, import_state from versions
                            where job_id = j.id and j.active_version is null
                            order by published_at desc, id desc limit 1) n on true
    where ($1::uuid is null or j.id = $1) and ($2::text is null or j.name = $2)
      and ($3::boolean is null or j.enabled = $3)
      and ($4::text is null or position(lower($4) in lower(j.name)) > 0
           or position(lower($4) in lower(coalesce(j.description, v.manifest ->> 'description'))) > 0)";
const NAMES: &str = "select id, name from jobs";
const UPDATE: &str = "
    update jobs
    set enabled = coalesce($2, enabled), description = coalesce($3, description), updated_at = now()
    where id = $1";
const ARCHIVES: &str = "select distinct archive from versions where job_id = $1";
const REMOVE: &str = "delete from jobs where id = $1";
const REMOVE_LOGS: &str = "delete from runner_logs where job_id = $1";
const ID: Column = Column::id("id", "j.id");
const NAME: Column = Column::text("name", "j.name");
const CREATED: Column = Column::time("created_at", "j.created_at");
const MODIFIED: Column = Column::time("updated_at", "j.updated_at");

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
    /// The version that should serve and can not be imported: the active one or, while none is active, the one published last.
    #[schema(required)]
    pub import_failed: Option<FailedVersion>,
    /// The active version's links.
    pub links: Value,
    /// When its first version was published.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub modified: DateTime<Utc>,
}

/// A version whose last import failed. Why is said with the version itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailedVersion {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: VersionId,
    /// The package's `version`.
    pub version: String,
}

/// Whether a job serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Those that serve, or those that do not.
    pub status: Option<JobStatus>,
    /// Those with this in their name or description, in whatever case.
    pub search: Option<String>,
}

/// In which order jobs are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum JobSort {
    /// By name.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// By name, backwards.
    #[serde(rename = "-name")]
    NameDescending,
    /// The oldest first.
    #[serde(rename = "created")]
    Created,
    /// The newest first.
    #[serde(rename = "-created")]
    CreatedDescending,
    /// What was not changed for the longest time first.
    #[serde(rename = "modified")]
    Modified,
    /// What changed last first.
    #[serde(rename = "-modified")]
    ModifiedDescending,
}

impl Sort for JobSort {
    fn order(self) -> Order {
        const BY_NAME: [Column; 2] = [NAME, ID];
        const BY_CREATION: [Column; 2] = [CREATED, ID];
        const BY_CHANGE: [Column; 2] = [MODIFIED, ID];
        match self {
            Self::Name => Order::ascending(&BY_NAME),
            Self::NameDescending => Order::descending(&BY_NAME),
            Self::Created => Order::ascending(&BY_CREATION),
            Self::CreatedDescending => Order::descending(&BY_CREATION),
            Self::Modified => Order::ascending(&BY_CHANGE),
            Self::ModifiedDescending => Order::descending(&BY_CHANGE),
        }
    }
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

    /// Jobs.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        filter: &JobFilter,
        listing: &Listing<JobSort>,
    ) -> Result<Page<JobSummary>, DatabaseError> {
        let enabled = filter.status.map(|status| status == JobStatus::Enabled);
        listing::page(
            &self.database,
            JOBS,
            &[&None::<Uuid>, &None::<&str>, &enabled, &filter.search],
            listing,
            |row| Ok(job_of(row)),
        )
        .await
    }

    /// The ids and names of all jobs.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn names(&self) -> Result<Vec<(JobId, String)>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(NAMES).await?;
        let rows = client.query(&statement, &[]).await?;
        let name_of = |row: &Row| (row.get::<_, Uuid>("id").into(), row.get("name"));
        Ok(rows.iter().map(name_of).collect())
    }

    /// The job of this id or name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(&self, id_or_name: &str) -> Result<Option<JobSummary>, DatabaseError> {
        // A package may be named like an id; whoever gives an id means the id.
        if let Ok(id) = Uuid::try_parse(id_or_name)
            && let Some(job) = self.find_by(Some(id), None).await?
        {
            return Ok(Some(job));
        }
        if id_or_name.contains('\0') {
            return Ok(None);
        }
        self.find_by(None, Some(id_or_name)).await
    }

    async fn find_by(
        &self,
        id: Option<Uuid>,
        name: Option<&str>,
    ) -> Result<Option<JobSummary>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(JOBS).await?;
        let row = client
            .query_opt(&statement, &[&id, &name, &None::<bool>, &None::<&str>])
            .await?;
        Ok(row.as_ref().map(job_of))
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

    /// Removes a job with all its versions, variables, deliveries, stored items and log lines. Gives the archives that its versions
    /// had, or nothing if it was not there.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn remove(&self, job: JobId) -> Result<Option<Vec<ArchiveDigest>>, DatabaseError> {
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

    async fn try_remove(&self, job: JobId) -> Result<Option<Vec<ArchiveDigest>>, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let archives = transaction.query(ARCHIVES, &[job.as_uuid()]).await?;
        let removed = transaction.execute(REMOVE, &[job.as_uuid()]).await?;
        // After the job itself: whoever writes lines of it holds it meanwhile.
        transaction.execute(REMOVE_LOGS, &[job.as_uuid()]).await?;
        transaction.commit().await?;
        if removed == 0 {
            return Ok(None);
        }
        let archives = archives.iter().map(|row| digest_of(row.get("archive")));
        archives.collect::<Result<_, _>>().map(Some)
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
        import_failed: failed_version(row),
        links: row.get("links"),
        created: row.get("created_at"),
        modified: row.get("updated_at"),
    }
}

fn failed_version(row: &Row) -> Option<FailedVersion> {
    Some(FailedVersion {
        id: row.get::<_, Option<Uuid>>("failed_version")?.into(),
        version: row.get::<_, Option<String>>("failed_version_name")?,
    })
}
