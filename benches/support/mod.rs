//! What the benchmarks share: Jobber as its users run it, a bare server beside it, and what is made of the figures.
#![allow(
    dead_code,
    reason = "this is a part of each benchmark, and each takes what it needs"
)]

pub(crate) mod bare;
pub(crate) mod dev;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod processes;
pub(crate) mod serve;
pub(crate) mod statistics;
