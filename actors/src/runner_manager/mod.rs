//! Where runners dial in.

mod actor;
mod registry;

pub use actor::RunnerManager;
pub use registry::{Registration, RunnerRegistry, RunnerStage, RunnerStatus, RunnerToken};
