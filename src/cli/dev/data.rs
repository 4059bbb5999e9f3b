//! The data directory of `jobber dev`: locked while it runs, with a name of its own, and a file for other programs.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::RngCore;
use serde::Serialize;

use crate::child::read_capped;

/// Most bytes of the file with the instance's name.
const MAX_NAME_BYTES: u64 = 64;

/// What other programs need to know; `dev.json`.
#[derive(Serialize)]
pub(super) struct DevFile {
    pub(super) url: String,
    pub(super) gateway: String,
    pub(super) token: Option<String>,
    pub(super) database: String,
    /// The broker that is lent to packages that name none, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mqtt: Option<String>,
}

/// The directory, held by this process alone.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    instance: String,
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if need be, locks it and reads its name. The lock goes with the process, however it ends.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let open = || -> io::Result<(PathBuf, File)> {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)?;
            let path = path.canonicalize()?;
            // It holds what git should never see: a token, a database.
            std::fs::write(path.join(".gitignore"), "*\n")?;
            let lock = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(path.join("lock"))?;
            Ok((path, lock))
        };
        let (path, lock) = open().with_context(|| format!("the data directory {shown} can not be used"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another `jobber dev` runs on the data directory {shown}; end it, or give another one with --data"
                )
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("the data directory {shown} can not be locked"));
            }
        }
        let instance = instance_name(&path).with_context(|| format!("the data directory {shown}"))?;
        Ok(Self {
            path,
            instance,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name on this directory's containers: the same at every start, so that leftovers are found.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn mosquitto(&self) -> PathBuf {
        self.path.join("mosquitto")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.path.join("postgres")
    }

    /// Writes `dev.json`, whole at once, readable by the owner only.
    pub(super) fn announce(&self, about: &DevFile) -> anyhow::Result<()> {
        let temporary = self.path.join("dev.json.new");
        let write = || -> io::Result<()> {
            match std::fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = File::options()
                .create_new(true)
                .write(true)
                .mode(0o600)
                .open(&temporary)?;
            serde_json::to_writer_pretty(&mut file, about)?;
            file.write_all(b"\n")?;
            std::fs::rename(&temporary, self.path.join("dev.json"))
        };
        write().context("dev.json can not be written")
    }

    /// Removes `dev.json`: what it tells is no longer so.
    pub(super) fn withdraw(&self) {
        if let Err(error) = std::fs::remove_file(self.path.join("dev.json")) {
            tracing::debug!(%error, "dev.json could not be removed");
        }
    }
}

fn instance_name(data: &Path) -> io::Result<String> {
    let file = data.join("instance");
    match read_capped(&file, MAX_NAME_BYTES) {
        Ok(name) if !name.trim().is_empty() => Ok(name.trim().to_owned()),
        Ok(_) => write_instance_name(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => write_instance_name(&file),
        Err(error) => Err(error),
    }
}

fn write_instance_name(file: &Path) -> io::Result<String> {
    let mut bytes = [0_u8; 6];
    rand::rng().fill_bytes(&mut bytes);
    let name = format!("dev-{}", hex::encode(bytes));
    std::fs::write(file, format!("{name}\n"))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_at_a_time_and_keeps_its_name() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("deep").join("data");
        let first = DataDirectory::open(&path).unwrap();
        let name = first.instance().to_owned();
        assert!(
            DataDirectory::open(&path)
                .unwrap_err()
                .to_string()
                .contains("another `jobber dev`")
        );
        drop(first);
        assert_eq!(DataDirectory::open(&path).unwrap().instance(), name);
    }

    #[test]
    fn dev_json_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(root.path()).unwrap();
        let about = |url: &str| DevFile {
            url: url.to_owned(),
            gateway: "http://b".to_owned(),
            token: Some("secret".to_owned()),
            database: "postgresql://c".to_owned(),
            mqtt: None,
        };
        data.announce(&about("http://old")).unwrap();
        data.announce(&about("http://new")).unwrap();
        let file = root.path().join("dev.json");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read["url"], "http://new");
        data.withdraw();
        assert!(!file.exists());
    }
}
