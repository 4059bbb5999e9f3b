//! The keys that are in force, which a rotation may change while the server runs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};

use super::key_file::{self, KeyFileError};
use super::ring::{KeyRing, OpenError, Subject};

/// The file is read again at most this often.
const READ_AGAIN: Duration = Duration::from_secs(1);

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
    /// When the file was read again, if ever.
    read: Mutex<Option<Instant>>,
}

impl Keys {
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

    fn read_again(&self) -> bool {
        let KeySource::File(path) = &self.source else {
            return false;
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.is_some_and(|read| read.elapsed() < READ_AGAIN) {
            return false;
        }
        *read = Some(Instant::now());
        match key_file::read(path) {
            Ok(Some(ring)) => {
                self.ring.store(Arc::new(ring));
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
