//! `jobber rotate-key`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::failure::Exit;
use super::output::Output;
use crate::bootstrap::{database_settings, key_source};
use crate::config::{Config, Overrides};
use crate::sealing::{KeyId, Keys};
use crate::store::{
    Database, Resealed, SealedError, Unopened, discard, establish_keys, migrate, require_no_key, reseal,
};

#[derive(Debug, Args)]
pub(super) struct RotateKeyArgs {
    /// A configuration file; environment variables win over it.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Remove the variables that no key opens. For keys that are lost: without them such variables can not be read again.
    #[arg(long)]
    discard_unreadable: bool,
    /// Answer with JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// What the command did.
struct Rotated {
    /// A key was added to the file.
    added: bool,
    resealed: Resealed,
    /// How many variables were removed, if that was asked for.
    discarded: Option<u64>,
}

pub(super) fn run(args: &RotateKeyArgs) -> anyhow::Result<Exit> {
    let config = Config::load(args.config.as_deref(), Overrides::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let rotated = runtime.block_on(rotate(&config, args.discard_unreadable))?;
    if args.json {
        Output::new(true).answer(&document(&rotated), || Ok(String::new()))?;
        return Ok(if rotated.is_whole() {
            Exit::Ok
        } else {
            Exit::Failed
        });
    }
    tell(rotated.added, &rotated.resealed);
    tell_unopened(&rotated)?;
    Ok(Exit::Ok)
}

impl Rotated {
    /// Whether nothing is left that does not open.
    fn is_whole(&self) -> bool {
        self.discarded.is_some() || self.resealed.unopened.is_empty()
    }
}

fn document(rotated: &Rotated) -> Value {
    let Resealed {
        values,
        active,
        unused,
        unopened,
    } = &rotated.resealed;
    let names = |keys: &[KeyId]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    let closed = unopened.iter().map(|variable| {
        json!({
            "job": variable.job, "name": variable.name, "reason": variable.error.to_string(),
            "key": variable.key.map(|key| key.to_string()),
        })
    });
    json!({
        "success": rotated.is_whole(), "keyAdded": rotated.added, "values": values, "key": active.to_string(),
        "unusedKeys": names(unused), "unopened": closed.collect::<Vec<_>>(), "discarded": rotated.discarded,
    })
}

/// Adds a key if the keys are in the file, and seals everything that opens with the first one.
async fn rotate(config: &Config, discard_unreadable: bool) -> anyhow::Result<Rotated> {
    let database = Database::new(&database_settings(config))?;
    migrate(&database).await?;
    let source = key_source(config);
    if !Keys::exist(&source)? && !discard_unreadable {
        require_no_key(&database).await?;
    }
    let keys = Keys::load(source)?;
    match establish_keys(&database, &keys).await {
        // These values stay as they are, and are told at the end.
        Ok(_) | Err(SealedError::MissingKeys(_)) => {}
        // Whoever gives up what is lost needs no key of before.
        Err(SealedError::OtherKey(_)) if discard_unreadable => {}
        Err(error) => return Err(error.into()),
    }
    let added = keys.add().context("adding a key to the key file")?;
    let resealed = reseal(&database, &keys).await?;
    let discarded = if discard_unreadable {
        Some(discard(&database, &resealed.unopened).await?)
    } else {
        None
    };
    database.close();
    Ok(Rotated {
        added,
        resealed,
        discarded,
    })
}

/// Names what does not open, which is a failure unless it was removed.
#[expect(clippy::print_stdout, reason = "what this command has to say")]
fn tell_unopened(rotated: &Rotated) -> anyhow::Result<()> {
    let unopened = &rotated.resealed.unopened;
    for variable in unopened {
        let Unopened {
            job,
            name,
            key,
            error,
            ..
        } = variable;
        let key = key.map_or_else(|| "no known key".to_owned(), |key| format!("the key {key}"));
        println!("the variable {name} of the job {job} does not open with {key}: {error}");
    }
    match rotated.discarded {
        Some(removed) => println!("{removed} variables that do not open were removed"),
        None if unopened.is_empty() => {}
        None => bail!(
            "{} variables do not open and are as they were: add their keys behind the first one and run this again, or remove \
             them with --discard-unreadable",
            unopened.len()
        ),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what this command has to say")]
fn tell(
    added: bool,
    Resealed {
        values,
        active,
        unused,
        ..
    }: &Resealed,
) {
    let first = if added {
        "the new key"
    } else {
        "the first key of JOBBER_MASTER_KEY"
    };
    println!("{values} values were sealed anew with {first}, {active}");
    for key in unused {
        println!("nothing needs the key {key} any more");
    }
    if !unused.is_empty() {
        println!(
            "once every server has the new key and no backup from before is needed, old keys can be removed from the end"
        );
    }
}
