//! Jobber.

pub mod routing;
pub mod schedule;
pub mod topic;
