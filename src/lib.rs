//! Jobber.

pub mod child;
pub mod gateway;
pub mod postgres;
