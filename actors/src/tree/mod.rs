//! The whole supervision tree: its root, its surroundings, and the handle that everything outside of it holds.

mod handle;
mod replay;
mod root;
mod settings;
mod surroundings;
mod views;

pub use handle::{Ports, Servers, TreeError, TreeHandle, start};
pub use replay::{Replay, ReplayError};
pub use settings::{ActionSettings, MqttSettings, TreeSettings};
pub use surroundings::Surroundings;
pub use views::{LaneView, RunnerView};

#[cfg(test)]
mod tests;
