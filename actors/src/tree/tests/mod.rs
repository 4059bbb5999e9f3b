//! The whole tree with in-memory ports, in paused time.

mod by_hand;
mod calls;
mod crashes;
mod failures;
mod instants;
mod later;
mod ledger;
mod logs;
mod mqtt;
mod scaling;
mod schedules;
mod threads;
mod versions;

use std::time::Duration;

use serde_json::json;

use crate::invocation::Outcome;
use crate::testing::FakePackage;

/// A package called `hello` with one runner.
fn hello() -> FakePackage {
    FakePackage::named("hello")
}

/// The same, with short times.
fn hasty() -> FakePackage {
    hello().action(json!({ "runnerTimeout": 5, "queue": { "length": 10, "wait": 8 } }))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The status of an answer; a panic with the outcome if it is none.
#[track_caller]
fn status(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Responded { head, .. } => head.status,
        other => panic!("not answered: {other:?}"),
    }
}
