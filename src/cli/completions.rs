//! `jobber completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::failure::Exit;
use super::output::Output;

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the script of all commands of `C`.
pub(super) fn run<C: CommandFactory>(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut C::command(), "jobber", &mut script);
    Output::new(false).write(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}
