//! One job: which of its versions serves, and the change from one to the next without a lost request.

mod actor;
mod brief;
mod messages;
mod plan;
mod serving;
mod triggers;

pub use actor::Job;
pub use brief::JobBrief;
pub use messages::{Abandon, JobChanged, PrepareError, PrepareVersion, StopJobRunner};
pub use plan::{ActionPhase, Plan, PlanView, plan};
pub use serving::{Serving, ServingBoard};
