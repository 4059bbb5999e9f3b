//! The folder with the backups. Blocks.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tempfile::NamedTempFile;
use utoipa::ToSchema;

use super::name::{BackupName, superfluous};

/// What a backup is called that is not complete.
const PARTIAL: &str = ".partial";

/// A complete backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupInfo {
    /// The name of its file.
    pub name: String,
    /// When it was begun.
    pub created: DateTime<Utc>,
    /// The file's bytes.
    pub bytes: u64,
    /// Whether a passphrase is needed to read it.
    pub encrypted: bool,
}

impl BackupInfo {
    fn new(name: BackupName, bytes: u64) -> Self {
        Self {
            name: name.to_string(),
            created: name.at(),
            bytes,
            encrypted: name.is_encrypted(),
        }
    }
}

/// The folder with the backups. What has a backup's name in it is complete.
#[derive(Clone, Debug)]
pub(super) struct BackupFolder(PathBuf);

impl BackupFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it if need be, for the owner only, and removes what was not completed: nobody else may be writing.
    pub(super) fn prepare(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)?;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".jobber-") && name.ends_with(PARTIAL) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// A file for what is not complete yet. Dropped, it is removed.
    pub(super) fn begin(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new()
            .prefix(".jobber-")
            .suffix(PARTIAL)
            .tempfile_in(&self.0)
    }

    /// Gives a file its name, which nothing else may have, and makes sure that it stays.
    pub(super) fn complete(&self, file: NamedTempFile, name: BackupName) -> io::Result<BackupInfo> {
        let file = file
            .persist_noclobber(self.0.join(name.to_string()))
            .map_err(|failed| failed.error)?;
        File::open(&self.0)?.sync_all()?;
        Ok(BackupInfo::new(name, file.metadata()?.len()))
    }

    /// All complete backups, the newest first.
    pub(super) fn list(&self) -> io::Result<Vec<BackupInfo>> {
        let mut names = self.names()?;
        names.sort_unstable_by(|one, two| two.cmp(one));
        let mut found = Vec::new();
        for name in names {
            match fs::metadata(self.0.join(name.to_string())) {
                Ok(about) => found.push(BackupInfo::new(name, about.len())),
                // Removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// A backup for reading, and its bytes.
    pub(super) fn open(&self, name: BackupName) -> io::Result<Option<(File, u64)>> {
        match File::open(self.0.join(name.to_string())) {
            Ok(file) => {
                let bytes = file.metadata()?.len();
                Ok(Some((file, bytes)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a backup. `None` if there is none of this name.
    pub(super) fn remove(&self, name: BackupName) -> io::Result<Option<BackupInfo>> {
        let path = self.0.join(name.to_string());
        let removed = fs::metadata(&path).and_then(|about| {
            fs::remove_file(&path)?;
            Ok(BackupInfo::new(name, about.len()))
        });
        match removed {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes all but the newest so many, and gives the names of those that went.
    pub(super) fn keep(&self, newest: usize) -> io::Result<Vec<BackupName>> {
        let gone = superfluous(self.names()?, newest);
        for name in &gone {
            self.remove(*name)?;
        }
        Ok(gone)
    }

    fn names(&self) -> io::Result<Vec<BackupName>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            names.extend(name.to_str().and_then(|name| name.parse::<BackupName>().ok()));
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use chrono::TimeDelta;

    use super::*;

    fn complete(folder: &BackupFolder, second: i64) -> BackupInfo {
        let mut file = folder.begin().unwrap();
        file.write_all(b"backup").unwrap();
        let name = BackupName::new(DateTime::UNIX_EPOCH + TimeDelta::seconds(second), false);
        folder.complete(file, name).unwrap()
    }

    #[test]
    fn what_is_not_complete_is_no_backup_and_does_not_stay() {
        let root = tempfile::tempdir().unwrap();
        let folder = BackupFolder::new(root.path().join("backups"));
        assert!(folder.list().unwrap().is_empty());
        folder.prepare().unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        let (_file, left) = folder.begin().unwrap().keep().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        assert!(folder.list().unwrap().is_empty());
        folder.prepare().unwrap();
        assert!(!left.exists());
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn the_newest_complete_ones_stay() {
        let root = tempfile::tempdir().unwrap();
        let folder = BackupFolder::new(root.path().to_owned());
        let all: Vec<_> = (0..4).map(|second| complete(&folder, second)).collect();
        let gone = folder.keep(2).unwrap();
        assert_eq!(gone.len(), 2);
        let left = folder.list().unwrap();
        assert_eq!(left, [all[3].clone(), all[2].clone()]);
        assert_eq!(left[0].bytes, 6);

        let name = left[0].name.parse().unwrap();
        assert!(folder.open(name).unwrap().is_some());
        assert_eq!(folder.remove(name).unwrap(), Some(all[3].clone()));
        assert_eq!(folder.remove(name).unwrap(), None);
        assert!(folder.open(name).unwrap().is_none());
    }

    #[test]
    fn a_name_that_is_taken_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        let folder = BackupFolder::new(root.path().to_owned());
        complete(&folder, 1);
        let again = BackupName::new(DateTime::UNIX_EPOCH + TimeDelta::seconds(1), false);
        let refused = folder.complete(folder.begin().unwrap(), again).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(folder.list().unwrap().len(), 1);
    }
}
