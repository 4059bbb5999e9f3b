//! The files of the data folder that are secrets: what an encrypted backup has of them. Blocks.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::manifest::Part;
use crate::child::read_capped;

/// More than any of them has.
const MAX_BYTES: u64 = 64 << 10;
const NAMES: [(Part, &str); 2] = [(Part::MasterKey, "master-key"), (Part::AdminToken, "admin-token")];

/// Where such a file is.
pub(super) fn place(data: &Path, part: Part) -> Option<PathBuf> {
    let name = NAMES.iter().find(|(secret, _)| *secret == part)?.1;
    Some(data.join(name))
}

/// Those that there are.
pub(super) fn read(data: &Path) -> io::Result<Vec<(Part, SecretString)>> {
    let mut found = Vec::new();
    for (part, name) in NAMES {
        found.extend(read_one(&data.join(name))?.map(|secret| (part, secret)));
    }
    Ok(found)
}

/// The content of one, if it is there.
pub(super) fn read_one(path: &Path) -> io::Result<Option<SecretString>> {
    match read_capped(path, MAX_BYTES) {
        Ok(text) => Ok(Some(text.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes one, for its owner only and whole at once.
pub(super) fn write(path: &Path, secret: &SecretString) -> io::Result<()> {
    let temporary = path.with_extension("restored");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
