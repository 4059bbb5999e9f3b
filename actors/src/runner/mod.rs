//! One container (or process) and its session, from its start to its end. It is never restarted, only replaced.

mod actor;
mod handlers;
mod messages;

pub use actor::{Runner, RunnerParts};
pub use messages::{EndRunner, EngineExit, RunnerNews, RunnerReport, SessionNews, SessionOpened};
