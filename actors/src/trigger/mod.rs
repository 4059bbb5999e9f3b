//! The Trigger actors. Each answers for one trigger of one job and publishes what makes it fire.

mod http;

pub use http::{HttpTrigger, HttpTriggerSeed};
