//! The command line.

mod completions;
mod config;
mod dev;
mod doctor;
mod failure;
mod files;
mod healthcheck;
mod init;
mod output;
mod passphrase;
mod remote;
mod restore;
mod rotate_key;
mod runtime;
mod serve;
mod signals;
mod text;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::failure::{Exit, FailureDocument, exit_of, is_broken_pipe};
use self::output::{Output, note};

#[derive(Debug, Parser)]
#[command(
    name = "jobber",
    version,
    about = "Runs functions on your own machine: publish a zip, call it over HTTP.",
    after_help = "Exit status: 0 done, 1 failed, 2 wrong command line, 3 not signed in or not allowed, 4 not found, 5 the server \
                  can not be reached, 6 refused."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a package to begin with.
    Init(init::InitArgs),
    /// Run all of Jobber in one process, for development: its own Postgres, functions from folders, loopback only.
    Dev(dev::DevArgs),
    /// Run the server against a given Postgres and Docker, set up by a file and environment variables.
    Serve(serve::ServeArgs),
    /// Sign in to a server, and keep a token for it.
    Login(remote::LoginArgs),
    /// Forget a server's token, and have it removed there.
    Logout(remote::LogoutArgs),
    /// Pack a folder, send it to a server, and wait until it serves.
    Publish(remote::PublishArgs),
    /// List jobs, show one; enable, disable, remove.
    Jobs(remote::JobsArgs),
    /// List a job's versions.
    Versions(remote::VersionsArgs),
    /// Have an earlier version of a job serve again.
    Rollback(remote::RollbackArgs),
    /// Call a function, or run its schedule now.
    Invoke(remote::InvokeArgs),
    /// Show what a job logs.
    Logs(remote::LogsArgs),
    /// List invocations, or show one.
    Runs(remote::RunsArgs),
    /// Do an invocation again.
    Replay(remote::ReplayArgs),
    /// List, set, remove and import a job's variables.
    Env(remote::EnvArgs),
    /// List, make and remove API tokens.
    Tokens(remote::TokensArgs),
    /// List runners, end one.
    Runners(remote::RunnersArgs),
    /// Make a backup of a whole system; list, download, remove and verify them.
    Backup(remote::BackupArgs),
    /// Restore a backup into the system of this configuration, on this machine. Its server must not run.
    Restore(restore::RestoreArgs),
    /// Check what a server needs, with a remedy for each fault.
    Doctor(doctor::DoctorArgs),
    /// Print the configuration that is in force, secrets masked.
    Config(config::ConfigArgs),
    /// Ask the server of this configuration, on this machine, whether requests should come to it. Exits with 0 if so.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Seal all variables of jobs with another key. The server may run meanwhile.
    RotateKey(rotate_key::RotateKeyArgs),
    /// Print a script that completes commands in a shell.
    Completions(completions::CompletionsArgs),
}

impl Command {
    /// Whether the answer is one JSON document, also that of a failure. A log is a document for each line, and has none.
    fn json(&self) -> bool {
        match self {
            Self::Init(args) => args.json,
            Self::Login(args) => args.json(),
            Self::Logout(args) => args.json(),
            Self::Publish(args) => args.json(),
            Self::Jobs(args) => args.json(),
            Self::Versions(args) => args.json(),
            Self::Rollback(args) => args.json(),
            Self::Invoke(args) => args.json(),
            Self::Runs(args) => args.json(),
            Self::Replay(args) => args.json(),
            Self::Env(args) => args.json(),
            Self::Tokens(args) => args.json(),
            Self::Runners(args) => args.json(),
            Self::Backup(args) => args.json(),
            Self::Restore(args) => args.json,
            Self::Doctor(args) => args.json(),
            Self::Config(args) => args.json(),
            Self::RotateKey(args) => args.json,
            Self::Dev(_) | Self::Serve(_) | Self::Logs(_) | Self::Healthcheck(_) | Self::Completions(_) => {
                false
            }
        }
    }

    fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Dev(args) => dev::run(args).map(|()| Exit::Ok),
            Self::Serve(args) => serve::run(&args).map(|()| Exit::Ok),
            Self::Healthcheck(args) => healthcheck::run(&args).map(|()| Exit::Ok),
            Self::RotateKey(args) => rotate_key::run(&args),
            Self::Restore(args) => restore::run(&args),
            Self::Init(args) => init::run(&args),
            Self::Completions(args) => completions::run::<Cli>(&args),
            Self::Login(args) => wait(args.run()),
            Self::Logout(args) => wait(args.run()),
            Self::Publish(args) => wait(args.run()),
            Self::Jobs(args) => wait(args.run()),
            Self::Versions(args) => wait(args.run()),
            Self::Rollback(args) => wait(args.run()),
            Self::Invoke(args) => wait(args.run()),
            Self::Logs(args) => wait(args.run()),
            Self::Runs(args) => wait(args.run()),
            Self::Replay(args) => wait(args.run()),
            Self::Env(args) => wait(args.run()),
            Self::Tokens(args) => wait(args.run()),
            Self::Runners(args) => wait(args.run()),
            Self::Backup(args) => wait(args.run()),
            Self::Doctor(args) => wait(doctor::run(&args)),
            Self::Config(args) => wait(config::run(&args)),
        }
    }
}

/// Waits for what a command asks of others, on this thread.
fn wait(asking: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(asking)
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let json = command.json();
    match command.run() {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error, json);
            exit_of(&error).into()
        }
    }
}

/// The last word of a command that failed: for people on standard error, and for programs as the one document.
fn tell(error: &anyhow::Error, json: bool) {
    note(&format!("error: {error:#}"));
    if json {
        let told = Output::new(true).answer(&FailureDocument::of(error), || Ok(String::new()));
        if let Err(error) = told {
            note(&format!("error: {error:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    const PAGE: &str = include_str!("../../docs/reference/command-line.md");

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command and every option has its place in the documentation, and nothing else has.
    #[test]
    fn every_command_is_documented() {
        let mut expected = Vec::new();
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            expected.push(name.to_owned());
            let section = section(name);
            for below in command
                .get_subcommands()
                .filter(|below| below.get_name() != "help")
            {
                assert!(
                    section.contains(&format!("jobber {name} {}", below.get_name())),
                    "{name} {}",
                    below.get_name()
                );
                documented(name, below, section);
            }
            documented(name, command, section);
        }
        let found: Vec<_> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix("## `jobber "))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|line| line.trim_end_matches('`').to_owned())
            .collect();
        assert_eq!(found, expected);
    }

    fn section(name: &str) -> &'static str {
        let (_, rest) = PAGE
            .split_once(&format!("## `jobber {name}`\n"))
            .unwrap_or_else(|| panic!("{name} has no section"));
        rest.split("\n## ").next().unwrap()
    }

    /// Options of every command stand at the beginning of the page.
    fn documented(name: &str, command: &clap::Command, section: &str) {
        let options = command.get_arguments().filter_map(clap::Arg::get_long);
        for option in
            options.filter(|option| !matches!(*option, "server" | "token" | "json" | "help" | "version"))
        {
            assert!(
                section.contains(&format!("`--{option}")),
                "`jobber {name}` has --{option}, which the page has not"
            );
        }
        for environment in command.get_arguments().filter_map(clap::Arg::get_env) {
            let environment = environment.to_str().unwrap();
            assert!(
                PAGE.contains(&format!("`{environment}`")),
                "{environment} is not in the page"
            );
        }
    }

    #[test]
    fn every_exit_status_is_documented() {
        for exit in [
            Exit::Ok,
            Exit::Failed,
            Exit::Usage,
            Exit::NotAllowed,
            Exit::NotFound,
            Exit::Unreachable,
            Exit::Refused,
        ] {
            assert!(PAGE.contains(&format!("| {} |", exit.number())), "{exit:?}");
        }
    }
}
