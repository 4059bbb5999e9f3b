//! Stories on real Docker, real Postgres and the real binary.

mod docker_engine;
mod support;
