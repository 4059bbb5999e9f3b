//! `jobber restore`.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{Output, note};
use super::passphrase::PassphraseArgs;
use super::remote::refused;
use crate::backup::{ReadError, RestoreError, RestoreTarget, Restored, restore};
use crate::bootstrap::{database_settings, key_source};
use crate::child::Spawner;
use crate::config::{Config, Overrides};
use crate::store::{Database, DatabaseConfig};
use crate::text::counted;

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup's file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Remove all that this system has: its database, its packages. Without it only an empty system is restored into.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// A configuration file; environment variables win over it.
    #[arg(long, env = "JOBBER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer with JSON.
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &RestoreArgs) -> anyhow::Result<Exit> {
    // Whoever has mistyped the file's name is told that, and not what else would be wrong.
    File::open(&args.file).map_err(|error| refused(&args.file, &ReadError::Io(error)))?;
    let config = Config::load(args.config.as_deref(), Overrides::default())?;
    // Nobody would give the server's passphrase twice.
    let passphrase = args
        .passphrase
        .read()?
        .or_else(|| config.backups.passphrase.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let restored: anyhow::Result<Restored> = runtime.block_on(async {
        let settings = DatabaseConfig {
            pool_size: 1,
            ..database_settings(&config)
        };
        let target = RestoreTarget {
            database: Database::new(&settings)?,
            url: config.database.url.clone(),
            data: config.server.data.clone(),
            keys: key_source(&config),
            spawner: Spawner::start()?,
        };
        let restored = restore(&target, &args.file, passphrase, args.replace).await;
        target.database.close();
        Ok(restored.map_err(failure)?)
    });
    let restored = restored?;
    warn(&restored, &config);
    Output::new(args.json).answer(&document(&restored), || Ok(told(&restored)))?;
    Ok(Exit::Ok)
}

fn failure(error: RestoreError) -> Failure {
    if let RestoreError::File { file, error } = &error {
        return refused(file, error);
    }
    let told = error.to_string();
    match error {
        RestoreError::NotEmpty(_) => Failure::new(Exit::Refused, told).next(
            "restore into an empty database and an empty data directory, or give --replace: then all that is named is removed",
        ),
        RestoreError::InUse(_) => Failure::new(Exit::Refused, told).next("stop every server on this database"),
        RestoreError::Running => Failure::new(Exit::Refused, told).next("wait for its end"),
        RestoreError::OtherSchema { .. } => Failure::new(Exit::Refused, told),
        _ => Failure::new(Exit::Failed, told),
    }
}

fn document(restored: &Restored) -> Value {
    json!({
        "success": true,
        "manifest": restored.manifest,
        "jobs": restored.stock.jobs,
        "versions": restored.stock.versions,
        "missingKeys": restored.missing_keys,
        "hasToken": restored.has_token,
        "replaced": restored.replaced.database || restored.replaced.archives,
    })
}

fn told(restored: &Restored) -> String {
    let manifest = &restored.manifest;
    format!(
        "restored {} with {} and {} as of {}; start the server with `jobber serve`",
        counted(restored.stock.jobs.unsigned_abs(), "job"),
        counted(restored.stock.versions.unsigned_abs(), "version"),
        counted(manifest.archives, "package"),
        manifest.created
    )
}

/// What is not as it was.
fn warn(restored: &Restored, config: &Config) {
    let data = config.server.data.display();
    if !restored.missing_keys.is_empty() {
        note(&format!(
            "warning: the jobs' variables are sealed with the keys {}, which this system does not have. The server does not start \
             without them: copy the old system's file master-key to {data}/master-key, or set JOBBER_MASTER_KEY. If they are lost, \
             `jobber rotate-key --discard-unreadable` gives up the variables",
            restored.missing_keys.join(", ")
        ));
    }
    if !restored.has_token {
        note(&format!(
            "note: the token of the API is that of the old system, and its file was not in the backup: sign in as a user, or copy the \
             old file admin-token to {data}/admin-token"
        ));
    }
    let missing = restored.manifest.missing_archives.len();
    if missing > 0 {
        note(&format!(
            "warning: lost before the backup was made: {}. Publish these versions again",
            counted(missing as u64, "package")
        ));
    }
}
