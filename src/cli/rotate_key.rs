//! `jobber rotate-key`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::bootstrap::{database_settings, key_source};
use crate::config::{Config, Overrides};
use crate::sealing::Keys;
use crate::store::{Database, Resealed, establish_keys, migrate, reseal};

#[derive(Debug, Args)]
pub(super) struct RotateKeyArgs {
    /// A configuration file; environment variables win over it.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &RotateKeyArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref(), Overrides::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (added, resealed) = runtime.block_on(rotate(&config))?;
    tell(added, &resealed);
    Ok(())
}

/// Adds a key if the keys are in the file, and seals everything with the first one. Gives whether a key was added.
async fn rotate(config: &Config) -> anyhow::Result<(bool, Resealed)> {
    let keys = Keys::load(key_source(config))?;
    let database = Database::new(&database_settings(config))?;
    migrate(&database).await?;
    // Before there is another key: what this ring can not open it could not seal anew.
    establish_keys(&database, &keys).await?;
    let added = keys.add().context("adding a key to the key file")?;
    let resealed = reseal(&database, &keys).await;
    database.close();
    Ok((added, resealed?))
}

#[expect(clippy::print_stdout, reason = "what this command has to say")]
fn tell(
    added: bool,
    Resealed {
        variables,
        active,
        unused,
    }: &Resealed,
) {
    let first = if added {
        "the new key"
    } else {
        "the first key of JOBBER_MASTER_KEY"
    };
    println!("{variables} variables were sealed anew; all are sealed with {first}, {active}");
    for key in unused {
        println!("nothing needs the key {key} any more");
    }
    if !unused.is_empty() {
        println!(
            "once every server has the new key and no backup from before is needed, old keys can be removed from the end"
        );
    }
}
