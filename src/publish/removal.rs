//! Removes versions and jobs, and the archives that nothing refers to then.

use std::sync::Arc;

use jobber_actors::domain::{ArchiveDigest, JobId, VersionId};

use super::error::PublishError;
use super::publisher::{Publisher, Shared};
use crate::store::VersionRemoval;

impl Publisher {
    /// Removes a version that is not its job's active one, and its archive if nothing else has the same content. Goes on to
    /// its end even if the caller stops waiting.
    ///
    /// # Errors
    /// [`PublishError`]; then the version stays.
    pub async fn remove(&self, job: JobId, job_name: &str, version: VersionId) -> Result<(), PublishError> {
        let (shared, job_name) = (Arc::clone(&self.shared), job_name.to_owned());
        self.run(async move { shared.remove(job, &job_name, version).await })
            .await
    }

    /// Removes a job with everything of it: versions with their archives, variables, deliveries, stored items and log lines; it
    /// returns once nothing of it is served. Goes on to its end even if the caller stops waiting. `false` if it was not there.
    ///
    /// # Errors
    /// [`PublishError`]; with [`PublishError::NotServedYet`] the job is gone and something of it still ends.
    pub async fn remove_job(&self, job: JobId, job_name: &str) -> Result<bool, PublishError> {
        let (shared, job_name) = (Arc::clone(&self.shared), job_name.to_owned());
        self.run(async move { shared.remove_job(job, &job_name).await })
            .await
    }
}

impl Shared {
    async fn remove(&self, job: JobId, job_name: &str, version: VersionId) -> Result<(), PublishError> {
        // A publish of the same version may be making it the active one.
        let _lock = self.lock(job_name).await?;
        match self.versions.remove(job, version).await? {
            VersionRemoval::Done(archive) => {
                self.remove_archives(&[archive]).await;
                Ok(())
            }
            VersionRemoval::Active => Err(PublishError::VersionActive),
            VersionRemoval::Gone => Err(PublishError::NoSuchVersion),
        }
    }

    async fn remove_job(&self, job: JobId, job_name: &str) -> Result<bool, PublishError> {
        // A publish of the same job may be adding to it.
        let _lock = self.lock(job_name).await?;
        let Some(archives) = self.jobs.remove(job).await? else {
            return Ok(false);
        };
        let ended = self.rollout.reconcile(job, self.config.reconcile).await;
        // Now no runner of it begins any more; those that end have what they need.
        self.remove_archives(&archives).await;
        ended
            .map(|()| true)
            .map_err(|error| PublishError::NotServedYet(error.to_string()))
    }

    /// Removes a version that turned out to be refused, and its archive if nothing else has the same content.
    pub(super) async fn forget(&self, version: VersionId, archive: ArchiveDigest) {
        if let Err(error) = self.versions.remove_inactive(version).await {
            tracing::warn!(%version, %error, "a refused version could not be removed; it stays, inactive");
            return;
        }
        self.remove_archives(&[archive]).await;
    }

    /// Removes those that no version refers to. What can not be removed now is found by the upkeep later.
    pub(super) async fn remove_archives(&self, archives: &[ArchiveDigest]) {
        let referenced = async {
            self.versions
                .referenced(archives)
                .await
                .map_err(PublishError::from)
        };
        if let Err(error) = self.archives.remove_unreferenced(archives, referenced).await {
            tracing::warn!(%error, "archives that nothing refers to could not be removed yet");
        }
    }
}
