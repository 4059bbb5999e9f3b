//! Why a package was not published.

use std::io;
use std::time::Duration;

use jobber_actors::domain::{JobId, VersionId};
use jobber_actors::invocation::FunctionError;
use jobber_actors::manifest::ManifestErrors;

use crate::archive::{ArchiveRefusal, InspectError};
use crate::store::{ActivateError, DatabaseError, RouteConflict};

/// Why a package was not published, or not activated.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The archive is refused. Nothing of it was kept.
    #[error(transparent)]
    Archive(#[from] ArchiveRefusal),
    /// The package.json is wrong; all its faults are listed. Nothing was kept.
    #[error("{0}")]
    Manifest(ManifestErrors),
    /// The version exists with other content. Nothing was kept.
    #[error("version {version} of {job} was published before with other content; give it a new version")]
    VersionTaken {
        /// The job's name.
        job: String,
        /// The version's name.
        version: String,
    },
    /// Other jobs answer some of its routes. Nothing was kept.
    #[error("{}", routes(.0))]
    RoutesTaken(Vec<RouteConflict>),
    /// Its module can not be imported. The version is kept and not active.
    #[error("the package can not be imported: {}: {}", error.name, error.message)]
    ImportFailed {
        /// The job.
        job: JobId,
        /// The version.
        version: VersionId,
        /// What was thrown.
        error: Box<FunctionError>,
    },
    /// No runner could be started to import it. The version is kept and not active.
    #[error("no runner could be started to import the package: {0}")]
    NoRunner(String),
    /// It was not imported in time. The version is kept and not active.
    #[error("the package was not imported within {0:?}")]
    ImportTimedOut(Duration),
    /// It is the active version now, and it is not known whether it serves yet.
    #[error("the version is active, but is not served yet: {0}")]
    NotServedYet(String),
    /// Another publish of this job, or too many others, took too long.
    #[error("other packages are being published; try again")]
    Busy,
    /// The server is stopping, or is not ready yet.
    #[error("the server can not do that now: {0}")]
    Unavailable(String),
    /// The version serves.
    #[error("it is the job's active version; activate another one first, or remove the job")]
    VersionActive,
    /// The version or its job was removed meanwhile, or never existed.
    #[error("there is no such version")]
    NoSuchVersion,
    /// Postgres is out of reach or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The disk refused.
    #[error("the archive can not be kept: {0}")]
    Storage(#[from] io::Error),
}

impl From<InspectError> for PublishError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Refused(refusal) => Self::Archive(refusal),
            InspectError::Io(error) => Self::Storage(error),
        }
    }
}

impl From<ActivateError> for PublishError {
    fn from(error: ActivateError) -> Self {
        match error {
            ActivateError::Database(error) => Self::Database(error),
            ActivateError::Conflict(conflicts) => Self::RoutesTaken(conflicts),
            ActivateError::Gone => Self::NoSuchVersion,
        }
    }
}

fn routes(conflicts: &[RouteConflict]) -> String {
    let sentence =
        |conflict: &RouteConflict| format!("the route {} belongs to job {}", conflict.route, conflict.job);
    conflicts.iter().map(sentence).collect::<Vec<_>>().join("; ")
}
