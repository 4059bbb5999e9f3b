//! Jobber.

pub mod gateway;
