//! Jobber.
