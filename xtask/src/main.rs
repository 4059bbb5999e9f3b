//! Jobber's development tasks: `cargo xtask <task>` is the one entry point for people and for CI.
//!
//! Each task brings what it needs: packages, a Docker engine, Node in three versions, images. What is there is used as
//! it is, so a second run is quick. On a machine that is not Debian, or not as root, a task names what is missing.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool reports on its standard output"
)]

mod bench;
mod checks;
mod command;
mod images;
mod node;
mod provision;
mod report;
mod test;
mod ui;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Jobber's development tasks.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build Jobber and run `jobber dev examples/hello-http`.
    Up(up::Options),
    /// Provide what the tests need, then run every check and every test.
    Test(test::Options),
    /// Run the tests against a real Postgres and real MQTT brokers.
    It(test::Filter),
    /// Run the tests against a real Docker engine.
    E2e(test::Filter),
    /// Run the tests of the export of spans, which need the feature `otlp-test`.
    Otlp(test::Filter),
    /// Run a benchmark in the release profile, for example `cargo xtask bench http`.
    Bench(bench::Options),
    /// Format the Rust code.
    Fmt,
    /// Check format, lints, dependencies, types and the repository's own rules.
    Lint,
    /// Build the admin panel into ui/dist, where the next build of the program finds it.
    Ui,
    /// Build the images of the compose file: jobber/runner-node for Node 20, 22 and 24, jobber/server from a release build.
    Images,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        // The report has said everything, and its count is the last line.
        Err(error) if error.is::<report::Failed>() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Up(options) => up::run(options),
        Task::Test(options) => test::everything(options),
        Task::It(filter) => test::only(test::Suite::It, filter),
        Task::E2e(filter) => test::only(test::Suite::E2e, filter),
        Task::Otlp(filter) => test::only(test::Suite::Otlp, filter),
        Task::Bench(options) => bench::run(options),
        Task::Fmt => command::run(workspace::cargo("fmt").arg("--all")),
        Task::Lint => checks::lint(),
        Task::Ui => ui::build(),
        Task::Images => images::everything(),
    }
}
