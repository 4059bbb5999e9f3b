//! What should exist.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::{DesiredJob, ImportState, JobId, JobVersion, VersionId};

/// Why the catalogue did not answer. The reconciler tries again; nothing else depends on it.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue failed: {0}")]
pub struct CatalogueError(pub String);

/// The jobs that should exist, read from Postgres by the product.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    /// Every job.
    ///
    /// # Errors
    /// [`CatalogueError`] when the storage is out of reach.
    async fn jobs(&self) -> Result<Vec<DesiredJob>, CatalogueError>;

    /// One job; `None` when it does not exist (any more).
    ///
    /// # Errors
    /// [`CatalogueError`] when the storage is out of reach.
    async fn job(&self, job: JobId) -> Result<Option<DesiredJob>, CatalogueError>;

    /// One version, active or not.
    ///
    /// # Errors
    /// [`CatalogueError`] when the storage is out of reach.
    async fn version(&self, version: VersionId) -> Result<Option<Arc<JobVersion>>, CatalogueError>;

    /// Records whether a runner could import the version.
    ///
    /// # Errors
    /// [`CatalogueError`] when the storage is out of reach.
    async fn record_import(&self, version: VersionId, state: ImportState) -> Result<(), CatalogueError>;
}
