//! The end of versions.

use jobber_actors::domain::{ArchiveDigest, JobId, VersionId};
use uuid::Uuid;

use super::error::DatabaseError;
use super::versions::PublishStore;

const REMOVE_INACTIVE: &str = "
    delete from versions v using jobs j
    where v.id = $1 and j.id = v.job_id and j.active_version is distinct from v.id
    returning v.job_id";
const REMOVE_UNUSED_TRIGGERS: &str = "
    delete from triggers t where t.job_id = $1 and not exists (select from version_triggers v where v.trigger_id = t.id)";
const REMOVE_EMPTY_JOB: &str =
    "delete from jobs j where j.id = $1 and not exists (select from versions v where v.job_id = j.id)";

/// What became of removing a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionRemoval {
    /// It is gone. Its archive was this.
    Done(ArchiveDigest),
    /// It is the active one.
    Active,
    /// There is no such version.
    Gone,
}

impl PublishStore {
    /// Removes a version that is not active, with its job if that has no other.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn remove_inactive(&self, version: VersionId) -> Result<(), DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        if let Some(row) = transaction
            .query_opt(REMOVE_INACTIVE, &[version.as_uuid()])
            .await?
        {
            let job: Uuid = row.get("job_id");
            transaction.execute(REMOVE_UNUSED_TRIGGERS, &[&job]).await?;
            transaction.execute(REMOVE_EMPTY_JOB, &[&job]).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Removes a version of a job that is not its active one, and the triggers that no other one has. The job stays.
    ///
    /// # Errors
    /// [`DatabaseError`]; then nothing is removed.
    pub async fn remove(&self, job: JobId, version: VersionId) -> Result<VersionRemoval, DatabaseError> {
        let Some(known) = self.find_by_id(job, version).await? else {
            return Ok(VersionRemoval::Gone);
        };
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let removed = transaction
            .query_opt(REMOVE_INACTIVE, &[version.as_uuid()])
            .await?;
        if removed.is_none() {
            return Ok(VersionRemoval::Active);
        }
        transaction
            .execute(REMOVE_UNUSED_TRIGGERS, &[job.as_uuid()])
            .await?;
        transaction.commit().await?;
        Ok(VersionRemoval::Done(known.archive))
    }
}
