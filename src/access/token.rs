//! Secrets that the server makes: they have 256 random bits, so a plain hash of them is enough to know them again.

use rand::RngCore;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

const SECRET_BYTES: usize = 32;
/// How every token begins, so that scanners for leaked secrets find it.
const TOKEN_MARK: &str = "jobber_";
/// Characters of the secret that are shown again.
const SHOWN: usize = 8;

/// What is kept of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The SHA-256 of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// The value of a session's cookie.
#[must_use]
pub fn new_session_secret() -> SecretString {
    SecretString::from(random())
}

/// A token, and how it begins: what may be shown of it.
#[must_use]
pub fn new_api_token() -> (SecretString, String) {
    let token = format!("{TOKEN_MARK}{}", random());
    let prefix = token[..TOKEN_MARK.len() + SHOWN].to_owned();
    (SecretString::from(token), prefix)
}

fn random() -> String {
    let mut bytes = [0; SECRET_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn no_two_tokens_are_the_same_and_their_beginning_is_shown() {
        let ((one, prefix), (two, _)) = (new_api_token(), new_api_token());
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert!(one.expose_secret().starts_with(&prefix));
        assert_eq!((one.expose_secret().len(), prefix.len()), (71, 15));
        assert_ne!(
            SecretHash::of(one.expose_secret()),
            SecretHash::of(two.expose_secret())
        );
    }
}
