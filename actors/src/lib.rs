//! Jobber's supervision tree, and everything that is decided without touching the outside world.
//!
//! An actor here cannot name SQL, Docker, MQTT or HTTP: it knows the traits in [`ports`]. What must survive an actor's
//! crash lives outside of it, in an `Arc` that its factory hands over; `ARCHITECTURE.md` has the whole picture.
#![forbid(unsafe_code)]

pub mod action;
pub mod admin;
pub mod changes;
pub mod clock;
pub mod delivery;
pub mod domain;
pub mod engine;
pub mod gateway;
mod http_server;
pub mod invocation;
pub mod job;
pub mod jobs;
pub mod ledger;
pub mod log_sink;
pub mod manifest;
pub mod metrics;
pub mod mqtt;
pub mod pool;
pub mod ports;
pub mod protocol;
pub mod pulse;
pub mod routing;
pub mod runner;
pub mod runner_manager;
pub mod schedule;
pub mod scheduler;
pub mod session;
pub mod sink;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topic;
pub mod trace;
pub mod tree;
pub mod trigger;

#[cfg(any(test, feature = "testing"))]
use testing::crash::register as crashable;

/// Every actor calls this when it starts, so that a test can crash it. Elsewhere it is nothing.
#[cfg(not(any(test, feature = "testing")))]
fn crashable<A: jobber_kernel::Child>(_: &jobber_kernel::Context<A>) {}
