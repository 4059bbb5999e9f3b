//! The Trigger actors. Each answers for one trigger of one job and publishes what makes it fire.

mod http;
mod mqtt;
mod schedule;
mod status;

pub use http::{HttpTrigger, HttpTriggerSeed};
pub use mqtt::MqttTrigger;
pub use schedule::ScheduleTrigger;
pub use status::{Health, TriggerSort, TriggerStatus};
