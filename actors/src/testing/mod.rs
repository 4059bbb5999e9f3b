//! A whole supervision tree for tests: in-memory ports, runners that follow a script and speak the real protocol over a
//! pipe, and actors that crash when a test says so.
//!
//! Everything runs on one thread in paused time ([`jobber_kernel::testing::run_paused`]): minutes of timeouts cost
//! milliseconds. [`TestTree`] is where a test begins.

mod archives;
mod catalogue;
pub mod crash;
mod deliveries;
mod engine;
mod function_store;
mod handler;
mod http_server;
mod invocation_store;
mod log_store;
mod mqtt;
mod package;
mod runner;
mod session_leases;
mod tree;
mod wire;

pub use archives::FakeArchives;
pub use catalogue::FakeCatalogue;
pub use deliveries::FakeDeliveries;
pub use engine::{FakeEngine, RunnerCounts};
pub use function_store::FakeFunctionStore;
pub use http_server::FakeHttpServer;
pub use invocation_store::FakeInvocationStore;
pub use log_store::{FakeLogStore, log_line};
pub use mqtt::{FakeBroker, Sent};
pub use package::FakePackage;
pub use runner::{Event, LoadScript, RunnerScript, StartScript};
pub use session_leases::FakeLeases;
pub use tree::{Refused, TestTree, test_settings, whole};
pub use wire::{Wire, WireReader, WireWriter};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a runner's start took, where it does not matter.
pub const START: crate::ports::ColdStart = crate::ports::ColdStart {
    connect: std::time::Duration::from_millis(100),
    load: std::time::Duration::from_millis(20),
};

/// Locks without regard to poisoning: a test that failed has said so already.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
