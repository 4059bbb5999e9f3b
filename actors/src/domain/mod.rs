//! What Jobber talks about: jobs, their versions, triggers and runners, and one typed id for each.

mod environment;
mod ids;
mod job;

pub use environment::{Environment, Variable};
pub use ids::{
    ActionId, ApiTokenId, ArchiveDigest, EXAMPLE_ID, InvocationId, JobId, NotAnId, RunnerId, ServerId,
    SessionId, TriggerId, UserId, VersionId,
};
pub use job::{DesiredJob, DesiredTrigger, ImportState, JobVersion};
