//! The command line.

mod config;
mod dev;
mod healthcheck;
mod rotate_key;
mod runtime;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "jobber",
    version,
    about = "Runs functions on your own machine: publish a zip, call it over HTTP."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all of Jobber in one process, for development: its own Postgres, functions from folders, loopback only.
    Dev(dev::DevArgs),
    /// Run the server against a given Postgres and Docker, set up by a file and environment variables.
    Serve(serve::ServeArgs),
    /// Print the configuration that is in force, secrets masked.
    Config(config::ConfigArgs),
    /// Ask the server of this configuration, on this machine, whether requests should come to it. Exits with 0 if so.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Seal all variables of jobs with another key. The server may run meanwhile.
    RotateKey(rotate_key::RotateKeyArgs),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Dev(args) => dev::run(args),
        Command::Serve(args) => serve::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::RotateKey(args) => rotate_key::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a program that failed, whatever is logged where"
            )]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
