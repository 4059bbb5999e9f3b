//! What Jobber talks about: jobs, their versions, triggers and runners, and one typed id for each.

mod environment;
mod ids;
mod job;

pub use environment::{Environment, Variable};
pub use ids::{ActionId, ArchiveDigest, InvocationId, JobId, RunnerId, ServerId, TriggerId, VersionId};
pub use job::{DesiredJob, DesiredTrigger, ImportState, JobVersion};
