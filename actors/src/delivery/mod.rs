//! Invocations that must happen although nobody waits for them: what an attempt comes to, the deliveries in this server's
//! hands, and the actor that takes them from the durable queue.

mod actor;
mod ahead;
mod answers;
mod desk;
mod outbox;
mod policy;
mod room;

pub use actor::Deliveries;
pub(crate) use actor::LEASE;
pub(crate) use answers::AnswerCollector;
pub use desk::{DeliveryDesk, DeskGauge};
pub use policy::{AttemptEnd, MAX_LOSSES, Next, decide};

#[cfg(test)]
mod tests;
