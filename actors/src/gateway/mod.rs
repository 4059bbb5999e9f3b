//! The gateway: the HTTP server on which functions answer, and the table of their routes.

mod actor;
mod board;

pub use actor::Gateway;
pub use board::{RouteBoard, RouteTarget};
