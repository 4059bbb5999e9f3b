//! The files of a restore: what was there and what takes its place. Blocks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::manifest::Part;
use super::restore::{RestoreError, io_error};
use super::secrets;
use super::stage::Staged;
use crate::archive::{folder_of, sync_folder};

/// The files of the data folder while it is not sure yet that they stay.
pub(super) struct Folders {
    archives: PathBuf,
    aside: PathBuf,
    /// What was there is aside.
    is_aside: bool,
    /// What was restored is in its place.
    is_placed: bool,
    /// What secrets were before they were replaced.
    secrets: Vec<(PathBuf, Option<SecretString>)>,
}

impl Folders {
    /// Puts the packages and the secrets of a backup in their places, and what was there aside.
    pub(super) fn put(data: &Path, staged: &Staged) -> Result<Self, RestoreError> {
        let archives = folder_of(data);
        let aside = data.join("archives.before-restore");
        let mut folders = Self {
            archives,
            aside,
            is_aside: false,
            is_placed: false,
            secrets: Vec::new(),
        };
        match folders.exchange(data, staged) {
            Ok(()) => Ok(folders),
            Err(error) => Err(io_error(data, error).after(folders.put_back())),
        }
    }

    fn exchange(&mut self, data: &Path, staged: &Staged) -> io::Result<()> {
        // Left by a restore that was cut off: what is there now is of the same backup, or was never touched.
        if self.aside.exists() {
            if self.archives.exists() {
                fs::remove_dir_all(&self.archives)?;
            }
            fs::rename(&self.aside, &self.archives)?;
        }
        if self.archives.exists() {
            fs::rename(&self.archives, &self.aside)?;
            self.is_aside = true;
        }
        fs::rename(staged.archives(), &self.archives)?;
        self.is_placed = true;
        for (part, secret) in &staged.secrets {
            let Some(path) = secrets::place(data, *part) else {
                continue;
            };
            let before = secrets::read_one(&path)?;
            let secret = match (&before, part) {
                // Other values may need the keys that were here.
                (Some(before), Part::MasterKey) => both(secret, before),
                _ => secret.clone(),
            };
            self.secrets.push((path.clone(), before));
            secrets::write(&path, &secret)?;
        }
        sync_folder(data)
    }

    /// It stays; what was there before goes.
    pub(super) fn keep(self) -> Result<(), RestoreError> {
        if self.is_aside {
            fs::remove_dir_all(&self.aside).map_err(|error| io_error(&self.aside, error))?;
        }
        Ok(())
    }

    /// As it was.
    pub(super) fn put_back(self) -> Result<(), RestoreError> {
        let back = || -> io::Result<()> {
            if self.is_placed {
                fs::remove_dir_all(&self.archives)?;
            }
            if self.is_aside {
                fs::rename(&self.aside, &self.archives)?;
            }
            for (path, before) in &self.secrets {
                match before {
                    Some(before) => secrets::write(path, before)?,
                    None => fs::remove_file(path)?,
                }
            }
            Ok(())
        };
        back().map_err(|error| io_error(&self.archives, error))
    }
}

/// The keys of a backup first, and then those that were here, once each.
fn both(restored: &SecretString, here: &SecretString) -> SecretString {
    let mut lines: Vec<&str> = Vec::new();
    let all = restored
        .expose_secret()
        .lines()
        .chain(here.expose_secret().lines());
    for line in all.map(str::trim).filter(|line| !line.is_empty()) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    SecretString::from(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_both_systems_are_kept_and_those_of_the_backup_come_first() {
        let together = both(&"new\nold\n".into(), &"mine\nold\n".into());
        assert_eq!(together.expose_secret(), "new\nold\nmine\n");
    }
}
