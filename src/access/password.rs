//! Passwords: argon2id, a few at a time.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Argon2, PasswordHash as ParsedHash};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Shortest password.
pub const MIN_PASSWORD_BYTES: usize = 8;
/// Longest password.
const MAX_PASSWORD_BYTES: usize = 1_024;
/// Hashes made at once: each takes 19 MiB and a processor for some hundredths of a second.
const AT_ONCE: usize = 2;
/// Requests that wait for their turn; more are told to come back later.
const MAX_WAITING: usize = 64;

/// A password's hash, as it is stored: a PHC string with the algorithm, its parameters and the salt.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A stored one.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// To be stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes")]
    Length,
    /// Too many are being checked.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// The hash could not be made or read.
    #[error("the password's hash: {0}")]
    Hash(String),
}

/// Makes and checks hashes, on threads that may block.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    io: Handle,
    /// The hash of a password that nobody has: checked when there is no such user, so that both take the same time.
    nobody: PasswordHash,
}

impl Passwords {
    /// Works on this runtime's blocking threads.
    ///
    /// # Errors
    /// [`PasswordError::Hash`].
    pub fn new(io: Handle) -> Result<Self, PasswordError> {
        let mut random = [0; 16];
        rand::rng().fill_bytes(&mut random);
        Ok(Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + MAX_WAITING)),
            io,
            nobody: hash(&hex::encode(random))?,
        })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash, PasswordError> {
        let length = password.expose_secret().len();
        if !(MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES).contains(&length) {
            return Err(PasswordError::Length);
        }
        self.in_turn(move || hash(password.expose_secret())).await
    }

    /// Whether this is the password. Without a hash it is not, and that takes as long to find out.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] and [`PasswordError::Hash`].
    pub async fn verify(
        &self,
        password: SecretString,
        stored: Option<PasswordHash>,
    ) -> Result<bool, PasswordError> {
        if password.expose_secret().len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let fits = self
            .in_turn(move || {
                let parsed = ParsedHash::new(stored.as_str()).map_err(failed)?;
                Ok(Argon2::default()
                    .verify_password(password.expose_secret().as_bytes(), &parsed)
                    .is_ok())
            })
            .await?;
        Ok(fits && known)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _place = self.places.try_acquire().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(failed)?;
        let done = self.io.spawn_blocking(move || {
            // Given back when the work is done, also if nobody waits for it any more.
            let _turn = turn;
            work()
        });
        done.await.map_err(failed)?
    }
}

fn hash(password: &str) -> Result<PasswordHash, PasswordError> {
    let mut random = [0; 16];
    rand::rng().fill_bytes(&mut random);
    let salt = SaltString::encode_b64(&random).map_err(failed)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| PasswordHash(hash.to_string())).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Hash(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_another_one_is_not() {
        let passwords = Passwords::new(Handle::current()).unwrap();
        let secret = |text: &str| SecretString::from(text);
        let stored = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(stored.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let verify = async |text: &str, stored| passwords.verify(secret(text), stored).await;
        assert_eq!(verify("correct horse", Some(stored.clone())).await, Ok(true));
        assert_eq!(verify("correct horsf", Some(stored)).await, Ok(false));
        assert_eq!(verify("correct horse", None).await, Ok(false));
        assert_eq!(passwords.hash(secret("short")).await, Err(PasswordError::Length));
        assert!(
            verify("anything", Some(PasswordHash::stored("broken".into())))
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn the_same_password_has_another_hash_each_time() {
        let passwords = Passwords::new(Handle::current()).unwrap();
        let secret = || SecretString::from("correct horse");
        let (one, two) = (passwords.hash(secret()).await, passwords.hash(secret()).await);
        assert_ne!(one.unwrap(), two.unwrap());
    }
}
