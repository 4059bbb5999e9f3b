//! Jobber.
fn main() {}
