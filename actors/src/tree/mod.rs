//! The whole supervision tree: its root, its surroundings, and the handle that everything outside of it holds.

mod by_hand;
mod handle;
mod root;
mod settings;
mod surroundings;
mod views;

pub use by_hand::{Begin, BeginError, Begun, Heard, HeardAnswer, HeardEnd};
pub use handle::{Ports, Servers, TreeError, TreeHandle, start};
pub use settings::{ActionSettings, MqttSettings, TreeSettings};
pub use surroundings::Surroundings;
pub use views::{LaneView, RunnerView};

#[cfg(test)]
mod tests;
