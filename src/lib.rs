//! Jobber.

pub mod archive;
pub mod store;
