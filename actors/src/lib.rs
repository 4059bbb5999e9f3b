//! Jobber.

pub mod manifest;
pub mod routing;
pub mod schedule;
pub mod topic;
