//! What the stories are told with.

mod app;
mod broker;
pub mod calls;
mod certificates;
pub mod events;
pub mod exposition;
pub mod loki;
pub mod mqtt;
mod outage;
mod package;
mod postgres;
mod publishing;
pub mod queue;
mod relay;
mod wait;

pub use app::{App, SECRET, answer, form};
pub use broker::Broker;
pub use certificates::Authority;
pub use outage::BreakablePostgres;
pub use package::Package;
pub use postgres::TestDatabase;
pub use publishing::Publishing;
pub use wait::eventually;
