//! `jobber config`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, DEFAULTS, Overrides};

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// A configuration file; `jobber config --defaults` prints one to begin with.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the commented defaults instead.
    #[arg(long)]
    defaults: bool,
}

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.defaults {
        out.write_all(DEFAULTS.as_bytes())?;
        return Ok(());
    }
    let config = Config::load(args.config.as_deref(), Overrides::default())?;
    let width = config
        .settings
        .iter()
        .map(|setting| setting.name.len() + setting.value.len())
        .max()
        .unwrap_or(0);
    for setting in &config.settings {
        let assignment = format!("{}={}", setting.name, setting.value);
        writeln!(
            out,
            "{assignment:<width$}  # {}",
            setting.source,
            width = width + 1
        )?;
    }
    for warning in &config.warnings {
        writeln!(out, "# {warning}")?;
    }
    Ok(())
}
