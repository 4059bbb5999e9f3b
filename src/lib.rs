//! Jobber.

pub mod child;
pub mod engine;
pub mod postgres;
