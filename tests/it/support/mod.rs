//! What the stories are told with.

mod app;
mod package;
mod postgres;
mod publishing;
pub mod queue;
mod wait;

pub use app::{App, answer, form};
pub use package::Package;
pub use postgres::TestDatabase;
pub use publishing::Publishing;
pub use wait::eventually;
