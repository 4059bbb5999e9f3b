//! Jobber.

pub mod child;
pub mod config;
pub mod engine;
pub mod gateway;
pub mod postgres;
