//! Jobber.

pub mod child;
pub mod postgres;
