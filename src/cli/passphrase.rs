//! Passphrases of backups: from a file or the environment, never from the command line, which others can see.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::failure::Failure;
use crate::child::read_capped;

/// The variable for those who have no file.
const VARIABLE: &str = "JOBBER_BACKUP_PASSPHRASE";
/// More than any passphrase has.
const MAX_BYTES: u64 = 8 << 10;

/// Where a passphrase is.
#[derive(Debug, Args)]
pub(super) struct PassphraseArgs {
    /// A file with the passphrase. The environment variable JOBBER_BACKUP_PASSPHRASE may have it instead.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase, if there is one.
    pub(super) fn read(&self) -> anyhow::Result<Option<SecretString>> {
        let Some(path) = &self.passphrase_file else {
            let given = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
            return Ok(given.map(Into::into));
        };
        let text = read_capped(path, MAX_BYTES)
            .map_err(|error| Failure::usage(format!("the passphrase file {}: {error}", path.display())))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(Failure::usage(format!("the passphrase file {} is empty", path.display())).into()),
            text => Ok(Some(text.to_owned().into())),
        }
    }
}
