//! `cargo xtask bench`.

use anyhow::Result;
use clap::Args;

use crate::node::{self, NEWEST, Node};
use crate::provision::{mosquitto, postgres};
use crate::{command, images, workspace};

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// The benchmark: a file in `benches/`.
    name: String,
    /// Options for the benchmark.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs a benchmark in the release profile, with everything that it may need at hand.
///
/// # Errors
/// When that cannot be provided, or the benchmark fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    postgres::ensure()?;
    mosquitto::ensure()?;
    images::build_all()?;
    let folder = workspace::root().join("benches").join(&options.name);
    if folder.join("package-lock.json").is_file() {
        node::ensure_packages(&folder)?;
    }
    let mut bench = workspace::cargo("bench");
    bench
        .args(["--package", "jobber", "--bench", &options.name, "--"])
        .args(&options.arguments);
    command::run(bench.env("PATH", Node::ensure(NEWEST)?.search_path()?))
}
