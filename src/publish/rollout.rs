//! What publishing asks of the running system.

use std::time::Duration;

use async_trait::async_trait;
use jobber_actors::domain::{JobId, VersionId};
use jobber_actors::invocation::FunctionError;
use jobber_actors::job::PrepareError;
use jobber_actors::tree::TreeHandle;

/// Why a version is not ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareFailure {
    /// The package's own fault: its module threw, or exports no handler.
    #[error("{}: {}", .0.name, .0.message)]
    Import(Box<FunctionError>),
    /// No runner could be started.
    #[error("{0}")]
    Engine(String),
    /// No runner had imported it in time.
    #[error("the version was not imported within {0:?}")]
    TimedOut(Duration),
    /// The server can not do it now.
    #[error("{0}")]
    Unavailable(String),
}

/// Why it is not known whether the catalogue's word is served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReconcileFailure(pub String);

/// Makes versions ready and serves what the catalogue says. The supervision tree, in the product.
#[async_trait]
pub trait Rollout: Send + Sync + 'static {
    /// Has one runner import the version, without serving it.
    ///
    /// # Errors
    /// [`PrepareFailure`].
    async fn prepare(&self, job: JobId, version: VersionId, deadline: Duration)
    -> Result<(), PrepareFailure>;

    /// Ends what was prepared and will not be served.
    fn abandon(&self, job: JobId, version: VersionId);

    /// Reads the catalogue again for this job, and returns once what it says is served.
    ///
    /// # Errors
    /// [`ReconcileFailure`] if that is not so within the deadline. It will be later: the catalogue is what counts.
    async fn reconcile(&self, job: JobId, deadline: Duration) -> Result<(), ReconcileFailure>;
}

#[async_trait]
impl Rollout for TreeHandle {
    async fn prepare(
        &self,
        job: JobId,
        version: VersionId,
        deadline: Duration,
    ) -> Result<(), PrepareFailure> {
        Self::prepare(self, job, version, deadline)
            .await
            .map_err(|error| match error {
                PrepareError::LoadFailed(error) => PrepareFailure::Import(Box::new(error)),
                PrepareError::Engine(reason) => PrepareFailure::Engine(reason),
                PrepareError::TimedOut => PrepareFailure::TimedOut(deadline),
                PrepareError::Unavailable(reason) => PrepareFailure::Unavailable(reason),
            })
    }

    fn abandon(&self, job: JobId, version: VersionId) {
        Self::abandon(self, job, version);
    }

    async fn reconcile(&self, job: JobId, deadline: Duration) -> Result<(), ReconcileFailure> {
        Self::reconcile(self, job, deadline)
            .await
            .map_err(|error| ReconcileFailure(error.to_string()))
    }
}
