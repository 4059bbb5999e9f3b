//! The reconciler: the catalogue says which jobs should exist, the children of this actor are those that do.

mod actor;
mod messages;

pub use actor::Jobs;
pub use messages::{AbandonVersion, Prepare, Refresh, RefreshJob, StopOneRunner};
