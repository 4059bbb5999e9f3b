//! How one version runs: its queue, its runners, and the decision how many there should be.

mod actor;
mod admission;
mod handle;
mod handlers;
mod intent;
mod lane;
mod members;
mod messages;
mod notes;
mod permit;
mod placing;
mod recovery;
mod scaling;
mod slots;
#[cfg(test)]
mod tests;

pub use actor::{Action, ActionParts};
pub(crate) use admission::patient_share;
pub use handle::ActionHandle;
pub(crate) use handle::{ActionSeed, spawn_action};
pub use intent::ActionIntent;
pub use lane::{Lane, LaneLimits};
pub use messages::{ActionNews, ActionReport, StopRunner};
pub use permit::Permit;
pub use scaling::{RunnerPhase, RunnerView, ScalingDecision, ScalingPolicy, ScalingView, decide};
pub use slots::{Advance, LaneGauge, LaneSweep, Placed, SlotLoad};
