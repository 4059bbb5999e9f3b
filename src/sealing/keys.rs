//! The keys that are in force, which a rotation may change while the server runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};

use super::key_file::{self, FileVersion, KeyFileError};
use super::ring::{KeyId, KeyRing, OpenError, Subject};

/// Where keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// From the configuration.
    Given(SecretString),
    /// From a file, which is made if it is not there.
    File(PathBuf),
}

/// The keys of this server.
#[derive(Debug)]
pub struct Keys {
    ring: ArcSwap<KeyRing>,
    source: KeySource,
    /// The file that was read again last.
    read: Mutex<Option<FileVersion>>,
}

impl Keys {
    /// Whether there are keys, or the first one is still to be made.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn exist(source: &KeySource) -> Result<bool, KeyFileError> {
        match source {
            KeySource::Given(_) => Ok(true),
            KeySource::File(path) => Ok(key_file::read(path)?.is_some()),
        }
    }

    /// Reads the keys, or makes the first one.
    ///
    /// # Errors
    /// [`KeyFileError`]. Given keys were checked with the configuration.
    pub fn load(source: KeySource) -> Result<Self, KeyFileError> {
        let ring = match &source {
            KeySource::Given(keys) => {
                KeyRing::parse(keys.expose_secret()).map_err(|error| KeyFileError::Content {
                    path: "JOBBER_MASTER_KEY".into(),
                    error,
                })?
            }
            KeySource::File(path) => key_file::read_or_create(path)?,
        };
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
            source,
            read: Mutex::default(),
        })
    }

    /// The keys as they are now.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Seals a value with one of the keys.
    ///
    /// # Errors
    /// [`OpenError::UnknownKey`].
    pub fn seal(&self, key: KeyId, subject: Subject<'_>, value: &SecretString) -> Result<Vec<u8>, OpenError> {
        match self.ring.load().seal_with(key, subject, value) {
            Err(OpenError::UnknownKey(_)) if self.read_again() => {
                self.ring.load().seal_with(key, subject, value)
            }
            sealed => sealed,
        }
    }

    /// Opens a value. A key that is not known may have come into the file since it was read.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, subject: Subject<'_>, sealed: &[u8]) -> Result<SecretString, OpenError> {
        match self.ring.load().open(subject, sealed) {
            Err(OpenError::UnknownKey(_)) if self.read_again() => self.ring.load().open(subject, sealed),
            opened => opened,
        }
    }

    /// Puts a new key before the others, if they are in a file. `false` if they were given.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn add(&self) -> Result<bool, KeyFileError> {
        let KeySource::File(path) = &self.source else {
            return Ok(false);
        };
        key_file::prepend(path)?;
        if let Some(ring) = key_file::read(path)? {
            self.ring.store(Arc::new(ring));
        }
        Ok(true)
    }

    /// Reads the file again if it is another one than the last time. `false` if there is none: then nothing has changed.
    fn read_again(&self) -> bool {
        let KeySource::File(path) = &self.source else {
            return false;
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let version = FileVersion::of(path);
        if version.is_some() && *read == version {
            // Somebody else has read it while this one waited.
            return true;
        }
        match key_file::read(path) {
            Ok(Some(ring)) => {
                self.ring.store(Arc::new(ring));
                *read = version;
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::error!(%error, "the key file can not be read again");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jobber_actors::domain::JobId;

    use super::*;

    #[test]
    fn all_who_meet_a_new_key_at_the_same_time_open_it_and_the_next_one_too() {
        let folder = tempfile::tempdir().unwrap();
        let load = || Keys::load(KeySource::File(folder.path().join("master-key"))).unwrap();
        let (running, rotating) = (Arc::new(load()), load());
        let job = JobId::generate();
        for _ in 0..20 {
            assert!(rotating.add().unwrap());
            let subject = Subject { job, name: "KEY" };
            let sealed = rotating.ring().seal(subject, &SecretString::from("value"));
            let opening: Vec<_> = (0..8)
                .map(|_| {
                    let (running, sealed) = (Arc::clone(&running), sealed.clone());
                    std::thread::spawn(move || {
                        running.open(Subject { job, name: "KEY" }, &sealed).map(|_| ())
                    })
                })
                .collect();
            for opened in opening {
                assert_eq!(opened.join().unwrap(), Ok(()));
            }
        }
    }
}
