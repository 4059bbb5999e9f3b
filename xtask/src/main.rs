//! Jobber's development tasks: `cargo xtask <task>` is the one entry point for people and for CI.
#![expect(
    clippy::print_stdout,
    reason = "a command line tool reports on its standard output"
)]
#![allow(dead_code)]

mod command;
mod images;
mod node;
mod provision;
mod workspace;

fn main() -> anyhow::Result<()> {
    images::build_all()
}
