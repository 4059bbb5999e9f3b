//! Jobber.

pub mod access;
pub mod api;
pub mod archive;
pub mod backup;
pub mod bootstrap;
pub mod callbacks;
pub mod calls;
pub mod child;
pub mod cli;
pub mod config;
pub mod engine;
mod forwarded;
pub mod gateway;
pub mod health;
pub mod logs;
pub mod mosquitto;
pub mod mqtt;
pub mod outgoing;
pub mod postgres;
pub mod process;
pub mod publish;
pub mod rollups;
pub mod sealing;
pub mod store;
pub mod telemetry;
mod text;
mod tls;
