//! What the reconciler hears.

use std::sync::Arc;

use actix::Message;
use tokio::sync::oneshot;

use crate::action::{ActionHandle, StopRunner};
use crate::domain::{DesiredJob, JobId, JobVersion, VersionId};
use crate::job::PrepareError;
use crate::ports::CatalogueError;

/// Something may have changed: read everything again.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Refresh;

/// Something of this job may have changed: read it again.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct RefreshJob {
    /// Which.
    pub job: JobId,
    /// Answered once what the catalogue says serves.
    pub served: Option<oneshot::Sender<()>>,
}

/// Make a version ready without letting it serve.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct Prepare {
    /// Whose.
    pub job: JobId,
    /// Which.
    pub version: VersionId,
    /// Answered once it is, or can not be.
    pub ready: oneshot::Sender<Result<ActionHandle, PrepareError>>,
}

/// A version that was made ready will not serve after all.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct AbandonVersion {
    /// Whose.
    pub job: JobId,
    /// Which.
    pub version: VersionId,
}

/// End one runner.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct StopOneRunner {
    /// Whose.
    pub job: JobId,
    /// Of which version.
    pub version: VersionId,
    /// Which, and how.
    pub stop: StopRunner,
}

/// What was read from the catalogue. `asked` numbers the readings: an older one never undoes what a newer one said.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum Read {
    Everything {
        asked: u64,
        jobs: Result<Vec<DesiredJob>, CatalogueError>,
    },
    Job {
        asked: u64,
        id: JobId,
        job: Result<Option<DesiredJob>, CatalogueError>,
        then: Then,
    },
}

/// Why a job was read.
pub(super) enum Then {
    Serve(Option<oneshot::Sender<()>>),
    Prepare {
        version: Option<Arc<JobVersion>>,
        ready: oneshot::Sender<Result<ActionHandle, PrepareError>>,
    },
}
