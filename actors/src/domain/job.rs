//! What should exist, as the catalogue says it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ActionId, ArchiveDigest, Environment, JobId, TriggerId, VersionId};
use crate::manifest::Manifest;

/// A job as it should be: the input of the reconciler, and all of it.
#[derive(Clone, Debug)]
pub struct DesiredJob {
    /// The job.
    pub id: JobId,
    /// Its unique name, the package's `name`.
    pub name: Arc<str>,
    /// A disabled job keeps its data and has no routes and no runners.
    pub enabled: bool,
    /// The version that should serve; `None` until the first one was activated.
    pub active: Option<Arc<JobVersion>>,
    /// The variables its runners get.
    pub environment: Arc<Environment>,
}

/// One published version.
#[derive(Clone, Debug)]
pub struct JobVersion {
    /// The version.
    pub id: VersionId,
    /// The job it belongs to.
    pub job: JobId,
    /// Its action.
    pub action: ActionId,
    /// The package's `version`.
    pub name: Arc<str>,
    /// The package's manifest, as it was validated at publish.
    pub manifest: Arc<Manifest>,
    /// Where its files are.
    pub archive: ArchiveDigest,
    /// Number of files in the archive.
    pub files: u32,
    /// Sum of the files' sizes in bytes.
    pub bytes: u64,
    /// The triggers' identities, in the order of the manifest's `triggers`.
    pub triggers: Vec<DesiredTrigger>,
    /// Whether a runner ever imported it.
    pub import: ImportState,
}

/// A trigger's identity within a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredTrigger {
    /// Stable over versions.
    pub id: TriggerId,
    /// Index into the manifest's `triggers`.
    pub index: usize,
}

/// What is known about importing a version's module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportState {
    /// No runner tried yet.
    Untried,
    /// A runner imported it and found a handler.
    Succeeded,
    /// The last attempt failed. Such a version is active only because someone forced it.
    Failed,
}
