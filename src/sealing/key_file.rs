//! The file with the keys, for instances whose operator gives none: only its owner may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::ring::{KeyRing, KeyRingError};

/// More than any file of keys has.
const MAX_BYTES: u64 = 64 * 1024;

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can not be read or written.
    #[error("the key file {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// Others than its owner may read or write it.
    #[error("the key file {path} can be read or written by others (mode {mode:o}): run chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its content is no key ring.
    #[error("the key file {path}: {error}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyRingError,
    },
}

/// Reads the keys; `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<KeyRing>, KeyFileError> {
    let Some(text) = text(path)? else { return Ok(None) };
    let ring = KeyRing::parse(text.expose_secret()).map_err(|error| KeyFileError::Content {
        path: path.to_owned(),
        error,
    })?;
    Ok(Some(ring))
}

/// Reads the keys. Without a file it is made, with a new key.
pub(super) fn read_or_create(path: &Path) -> Result<KeyRing, KeyFileError> {
    if let Some(ring) = read(path)? {
        return Ok(ring);
    }
    create(path)?;
    read(path)?.ok_or_else(|| io_error(path, io::ErrorKind::NotFound.into()))
}

/// Makes the file with a new key, unless it is there by now.
fn create(path: &Path) -> Result<(), KeyFileError> {
    let key = KeyRing::generate();
    match write(path, &new_file(path), key.expose_secret(), "") {
        // Somebody else made one meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|error| io_error(path, error)),
    }
}

/// What tells one state of the file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileVersion {
    inode: u64,
    modified: (i64, i64),
    bytes: u64,
}

impl FileVersion {
    /// The present one, if there is a file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            bytes: metadata.len(),
        })
    }
}

/// Puts a new key before the others. Those who do so at the same time take turns, or one would undo the other.
pub(super) fn prepend(path: &Path) -> Result<(), KeyFileError> {
    let folder =
        File::open(path.parent().unwrap_or(Path::new("/"))).map_err(|error| io_error(path, error))?;
    folder.lock().map_err(|error| io_error(path, error))?;
    let others = text(path)?.unwrap_or_default();
    let key = KeyRing::generate();
    let together = SecretString::from(format!("{}\n{}", key.expose_secret(), others.expose_secret()));
    // What could not be read afterwards is not written.
    KeyRing::parse(together.expose_secret()).map_err(|error| KeyFileError::Content {
        path: path.to_owned(),
        error,
    })?;
    let temporary = new_file(path);
    write_new(&temporary, key.expose_secret(), others.expose_secret())
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder(path))
        .map_err(|error| io_error(path, error))
}

fn text(path: &Path) -> Result<Option<SecretString>, KeyFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path, error)),
    };
    let metadata = file.metadata().map_err(|error| io_error(path, error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    if metadata.len() > MAX_BYTES {
        let error = io::Error::other(format!("it has more than {MAX_BYTES} bytes"));
        return Err(io_error(path, error));
    }
    let mut text = vec![0; usize::try_from(metadata.len()).unwrap_or(0)];
    (&file)
        .read_exact(&mut text)
        .map_err(|error| io_error(path, error))?;
    let text = String::from_utf8(text).map_err(|_| io_error(path, io::Error::other("it is not text")))?;
    Ok(Some(SecretString::from(text)))
}

/// A name beside the file that nobody else uses.
fn new_file(path: &Path) -> PathBuf {
    path.with_extension(format!("{:016x}.new", rand::random::<u64>()))
}

/// Writes a file that appears whole, and only if there is none.
fn write(path: &Path, temporary: &Path, key: &str, others: &str) -> io::Result<()> {
    write_new(temporary, key, others)?;
    // A link fails where there is a file already; a rename would replace it.
    let linked = fs::hard_link(temporary, path);
    fs::remove_file(temporary)?;
    linked?;
    sync_folder(path)
}

fn write_new(path: &Path, key: &str, others: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{key}")?;
    file.write_all(others.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn io_error(path: &Path, error: io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master-key");
        assert!(read(&path).unwrap().is_none());
        create(&path).unwrap();
        let first = read(&path).unwrap().unwrap().active();
        create(&path).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().active(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        prepend(&path).unwrap();
        let ring = read(&path).unwrap().unwrap();
        assert_eq!((ring.ids().count(), ring.ids().nth(1)), (2, Some(first)));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn keys_that_are_added_at_the_same_time_are_all_kept_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master-key");
        create(&path).unwrap();
        let adding: Vec<_> = (0..9)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || (0..11).for_each(|_| prepend(&path).unwrap()))
            })
            .collect();
        adding.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(read(&path).unwrap().unwrap().ids().count(), 100);
        let refused = prepend(&path).unwrap_err().to_string();
        assert!(refused.contains("more than 100 keys"), "{refused}");
        assert_eq!(read(&path).unwrap().unwrap().ids().count(), 100);
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master-key");
        create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = read(&path).unwrap_err().to_string();
        assert!(
            refused.contains("mode 640") && refused.contains("chmod 600"),
            "{refused}"
        );
        fs::write(&path, "no key").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let refused = read(&path).unwrap_err().to_string();
        assert!(
            refused.contains("key 1 is not 64 hexadecimal digits"),
            "{refused}"
        );
    }
}
