//! `jobber config`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Exit;
use super::output::note;
use super::remote::RemoteArgs;
use super::text::text;
use crate::config::{Config, DEFAULTS, Overrides};

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// A configuration file; `jobber config --defaults` prints one to begin with.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the commented defaults instead.
    #[arg(long)]
    defaults: bool,
    /// Ask the server, instead of reading what this machine's configuration is.
    #[arg(long, conflicts_with = "defaults")]
    remote: bool,
    #[command(flatten)]
    server: RemoteArgs,
}

impl ConfigArgs {
    /// Whether to answer with JSON.
    pub(super) fn json(&self) -> bool {
        self.server.json
    }
}

pub(super) async fn run(args: &ConfigArgs) -> anyhow::Result<Exit> {
    let output = args.server.output();
    if args.defaults {
        output.answer(&json!({ "defaults": DEFAULTS }), || Ok(DEFAULTS.to_owned()))?;
        return Ok(Exit::Ok);
    }
    let settings = if args.remote {
        args.server.client().await?.get("/api/config").await?
    } else {
        let config = Config::load(args.config.as_deref(), Overrides::default())?;
        for warning in &config.warnings {
            note(&format!("# {warning}"));
        }
        json!(config.settings)
    };
    output.answer(&settings, || {
        Ok(listed(settings.as_array().map_or(&[], Vec::as_slice)))
    })?;
    Ok(Exit::Ok)
}

/// Assignments with where they come from: what an environment file takes.
fn listed(settings: &[serde_json::Value]) -> String {
    let assignment = |setting| format!("{}={}", text(setting, "name"), text(setting, "value"));
    let width = settings
        .iter()
        .map(|setting| assignment(setting).len())
        .max()
        .unwrap_or(0);
    let line = |setting| format!("{:<width$}  # {}\n", assignment(setting), text(setting, "source"));
    settings.iter().map(line).collect()
}
