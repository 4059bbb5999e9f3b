//! Jobber.

pub mod api;
pub mod archive;
pub mod child;
pub mod config;
pub mod engine;
pub mod gateway;
pub mod postgres;
pub mod publish;
pub mod store;
