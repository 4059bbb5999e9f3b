//! What the stories are told with.

mod broker;
mod docker;
mod machine;
mod mqtt;
mod package;
mod process;
mod server;
mod tool;
mod wait;

pub use broker::{Broker, certify};
pub use docker::{containers_of, inspect, kill_container, started_with};
pub use machine::{Machine, Serving, jobber_within};
pub use mqtt::MqttClient;
pub use package::Package;
pub use server::{Options, Server, shared};
pub use tool::{Said, Tool};
pub use wait::eventually;
