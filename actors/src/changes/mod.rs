//! The news that something has changed which somebody may be looking at: merely hints, from which whoever hears them reads again
//! what they show. What happens elsewhere than in this server is no news here.

mod news;

pub use news::{ChangeWatch, Changes, News};
use serde::Serialize;

use std::collections::BTreeSet;

use crate::domain::JobId;

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// The supervision tree: actors began, ended, failed or were restarted.
    Actors,
    /// Tokens of the API.
    ApiTokens,
    /// The record of what people have changed.
    Audit,
    /// Backups.
    Backups,
    /// Variables of a job.
    Environment,
    /// The counts of another minute are kept.
    Figures,
    /// How the server is.
    Health,
    /// Attempts at invocations began or ended.
    Invocations,
    /// Jobs were made, changed or removed, or serve otherwise than before.
    Jobs,
    /// Log lines were kept.
    Logs,
    /// The durable queue: deliveries, dead letters.
    Queue,
    /// Replays of many invocations went on or ended.
    Replays,
    /// Runners began, came further or ended.
    Runners,
    /// What functions keep, as far as people changed it.
    Store,
    /// How triggers stand: brokers, next instants.
    Triggers,
    /// Users.
    Users,
    /// Versions of a job.
    Versions,
}

/// Something has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub topic: Topic,
    /// Whose it is.
    pub of: Extent,
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// No job's, or it is not known which ones'.
    Any,
    /// These jobs'.
    Jobs(BTreeSet<JobId>),
}

impl Extent {
    /// This job's.
    #[must_use]
    pub fn job(job: JobId) -> Self {
        Self::Jobs(BTreeSet::from([job]))
    }

    /// Whether something of this job may be meant.
    #[must_use]
    pub fn covers(&self, job: JobId) -> bool {
        match self {
            Self::Any => true,
            Self::Jobs(jobs) => jobs.contains(&job),
        }
    }
}
