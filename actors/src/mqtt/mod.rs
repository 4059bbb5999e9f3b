//! MQTT: one connection for each job and broker session, shared by the job's triggers, so that no job stalls another.
//!
//! [`MqttBoard`] holds what the triggers want, [`Mqtt`] has a [`Connection`](connection) for each session, and a [`Line`] holds
//! what of a connection must survive its actor. Messages go from the broker's client through the line to the job's action; no actor
//! stands in their way.

mod actor;
mod assignment;
mod board;
mod connection;
mod copies;
mod line;
mod outlet;
mod reconnect;
mod router;
mod seed;
mod settings;
mod subscriptions;
mod window;

pub use actor::Mqtt;
pub(crate) use assignment::dormant_sessions;
pub use board::{MqttBoard, MqttGauge, MqttStatus};
#[cfg(any(test, feature = "testing"))]
pub(crate) use connection::Connection;
pub use line::{CountsByQos, LineCounts, LineState, LineStatus};
pub use outlet::{PublishError, PublishReply, check_topic};
pub use router::TopicRouter;
pub use seed::MqttSeed;
pub use settings::{ConnectionSettings, LentBroker, SettingsError, SharedLentBroker};

#[cfg(test)]
mod tests;
