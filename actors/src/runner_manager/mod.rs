//! Where runners dial in.

mod actor;
mod door;
mod registry;

pub use actor::RunnerManager;
#[cfg(any(test, feature = "testing"))]
pub(crate) use actor::let_in;
pub use registry::{Registration, RunnerRegistry, RunnerStage, RunnerStatus, RunnerToken};
