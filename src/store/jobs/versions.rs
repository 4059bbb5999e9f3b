//! Versions as people see them.

use chrono::{DateTime, Utc};
use jobber_actors::domain::{ArchiveDigest, ImportState, JobId, UserId, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::JobStore;
use crate::store::catalogue::{digest_of, import_state_name, import_state_of};
use crate::store::error::DatabaseError;
use crate::store::listing::{self, Column, Listing, Order, Page, Sort};
use crate::store::versions::PublishedBy;

/// `$2` is a version's id, `$3` its name, `$4` what its import came to; null means all.
const VERSIONS: &str = "
    select v.id, v.name, v.archive, v.files, v.bytes, v.packed_bytes, v.import_state, v.import_error, v.imported_at,
           v.published_at, v.published_by, v.published_by_name, j.active_version is not distinct from v.id as active
    from versions v join jobs j on j.id = v.job_id
    where v.job_id = $1 and ($2::uuid is null or v.id = $2) and ($3::text is null or v.name = $3)
      and ($4::text is null or v.import_state = $4)";
const NAMES: &str = "select name from versions where job_id = $1";
const BY_PUBLICATION: [Column; 2] = [
    Column::time("published_at", "v.published_at"),
    Column::id("id", "v.id"),
];

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
    #[schema(value_type = String)]
    pub import_state: ImportState,
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

/// Which versions of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionFilter {
    /// The one with this name.
    pub version: Option<String>,
    /// Those whose import came to this.
    pub import_state: Option<ImportState>,
}

/// In which order versions are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum VersionSort {
    /// The oldest first.
    #[serde(rename = "created")]
    Created,
    /// The newest first.
    #[default]
    #[serde(rename = "-created")]
    CreatedDescending,
}

impl Sort for VersionSort {
    fn order(self) -> Order {
        match self {
            Self::Created => Order::ascending(&BY_PUBLICATION),
            Self::CreatedDescending => Order::descending(&BY_PUBLICATION),
        }
    }
}

impl JobStore {
    /// A job's versions.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn versions(
        &self,
        job: JobId,
        filter: &VersionFilter,
        listing: &Listing<VersionSort>,
    ) -> Result<Page<VersionSummary>, DatabaseError> {
        let state = filter.import_state.map(import_state_name);
        self.some_versions(job, None, filter.version.as_deref(), state, listing)
            .await
    }

    /// One of a job's versions.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn version(
        &self,
        job: JobId,
        version: VersionId,
    ) -> Result<Option<VersionSummary>, DatabaseError> {
        let found = self
            .some_versions(job, Some(version), None, None, &Listing::default())
            .await?;
        Ok(found.items.into_iter().next())
    }

    /// One of a job's versions, by its id or its name.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find_version(
        &self,
        job: JobId,
        id_or_name: &str,
    ) -> Result<Option<VersionSummary>, DatabaseError> {
        // A version may be named like an id; whoever gives an id means the id.
        if let Ok(id) = id_or_name.parse()
            && let Some(version) = self.version(job, id).await?
        {
            return Ok(Some(version));
        }
        // Postgres has no such texts.
        if id_or_name.contains('\0') {
            return Ok(None);
        }
        let found = self
            .some_versions(job, None, Some(id_or_name), None, &Listing::default())
            .await?;
        Ok(found.items.into_iter().next())
    }

    /// The names of all of a job's versions.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn version_names(&self, job: JobId) -> Result<Vec<String>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(NAMES).await?;
        let rows = client.query(&statement, &[job.as_uuid()]).await?;
        Ok(rows.iter().map(|row| row.get("name")).collect())
    }

    async fn some_versions(
        &self,
        job: JobId,
        version: Option<VersionId>,
        name: Option<&str>,
        state: Option<&str>,
        listing: &Listing<VersionSort>,
    ) -> Result<Page<VersionSummary>, DatabaseError> {
        let version = version.map(|version| *version.as_uuid());
        listing::page(
            &self.database,
            VERSIONS,
            &[job.as_uuid(), &version, &name, &state],
            listing,
            version_of,
        )
        .await
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
        import_state: import_state_of(row.get("import_state"))?,
        import_error: row.get("import_error"),
        imported: row.get("imported_at"),
        created: row.get("published_at"),
    })
}
