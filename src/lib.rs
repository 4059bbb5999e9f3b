//! Jobber.

pub mod archive;
pub mod child;
pub mod postgres;
pub mod publish;
pub mod store;
