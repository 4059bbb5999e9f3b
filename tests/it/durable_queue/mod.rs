//! The durable queue.

mod claiming;
mod limits;
mod settling;
