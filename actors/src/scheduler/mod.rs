//! Schedules: one timer for all of them, and the decision what each instant comes to.

mod actor;
mod board;
mod plan;
mod recording;

pub use actor::Scheduler;
pub use board::{ScheduleBoard, ScheduleSeed, ScheduleStatus};
pub use plan::{LATE_TOLERANCE, MOST_CATCH_UP, Plan, lead, plan};

#[cfg(test)]
mod tests;
