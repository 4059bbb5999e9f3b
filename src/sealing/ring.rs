//! The keys, and what is done with them. Pure but for the random nonces.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use jobber_actors::domain::JobId;
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key.
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
/// The first byte of everything that is sealed.
const VERSION: u8 = 1;
/// Before the ciphertext: version, key and nonce.
const HEAD_BYTES: usize = 1 + ID_BYTES + NONCE_BYTES;
/// What a key's id is a hash of, before the key.
const ID_LABEL: &[u8] = b"jobber master key id";
/// Most keys of a ring.
const MAX_KEYS: usize = 100;

/// Which key something is sealed with. Tells nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; ID_BYTES]);

impl KeyId {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id with these bytes, if they are as many as an id has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a value belongs to. It opens for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The job.
    pub job: JobId,
    /// The variable's name.
    pub name: &'a str,
}

impl Subject<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let mut data = vec![VERSION];
        data.extend_from_slice(self.job.as_uuid().as_bytes());
        data.extend_from_slice(self.name.as_bytes());
        data
    }
}

/// Why a text is no key ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// No key at all.
    #[error("there is no key")]
    Empty,
    /// One is not as keys are written.
    #[error("key {0} is not 64 hexadecimal digits")]
    Malformed(usize),
    /// Two are the same.
    #[error("keys {0} and {1} are the same")]
    Twice(usize, usize),
    /// More than anybody needs.
    #[error("there are more than {MAX_KEYS} keys")]
    TooMany,
}

/// Why a value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not as sealed values are.
    #[error("it is not a sealed value")]
    Format,
    /// The ring does not have its key.
    #[error("it is sealed with the key {0}, which is not there")]
    UnknownKey(KeyId),
    /// It was changed, or belongs to something else.
    #[error("it was changed, or belongs to another job or name")]
    Forged,
}

struct MasterKey {
    id: KeyId,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl MasterKey {
    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(ID_LABEL);
        hasher.update(bytes.as_slice());
        let hash: [u8; 32] = hasher.finalize().into();
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hash[..ID_BYTES]);
        Self { id: KeyId(id), bytes }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes.as_slice().into())
    }

    fn seal(&self, subject: Subject<'_>, value: &SecretString) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let associated = subject.associated_data();
        let payload = Payload {
            msg: value.expose_secret().as_bytes(),
            aad: &associated,
        };
        let ciphertext = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .expect("only a value of more than 256 GiB can not be encrypted");
        let mut sealed = Vec::with_capacity(HEAD_BYTES + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.id.0);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }
}

/// Keys, of which the first one seals and all open.
pub struct KeyRing {
    keys: Vec<MasterKey>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl KeyRing {
    /// Reads keys of 64 hexadecimal digits, separated by commas or on lines of their own. Empty ones and lines that begin
    /// with `#` are passed over.
    ///
    /// # Errors
    /// [`KeyRingError`], which names keys by their place and never shows them.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        let parts = text.split(['\n', ',']).map(str::trim);
        for (index, part) in parts
            .filter(|part| !part.is_empty() && !part.starts_with('#'))
            .enumerate()
        {
            if index == MAX_KEYS {
                return Err(KeyRingError::TooMany);
            }
            let mut bytes = Zeroizing::new([0; KEY_BYTES]);
            hex::decode_to_slice(part, bytes.as_mut_slice())
                .map_err(|_| KeyRingError::Malformed(index + 1))?;
            let key = MasterKey::new(bytes);
            if let Some(same) = keys.iter().position(|known| known.id == key.id) {
                return Err(KeyRingError::Twice(same + 1, index + 1));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self { keys })
    }

    /// A new key, as it is written.
    #[must_use]
    pub fn generate() -> SecretString {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::rng().fill_bytes(bytes.as_mut_slice());
        SecretString::from(hex::encode(bytes.as_slice()))
    }

    /// The key that seals.
    #[must_use]
    pub fn active(&self) -> KeyId {
        // A ring has at least one key.
        self.keys[0].id
    }

    /// All keys.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.keys.iter().map(|key| key.id)
    }

    /// Seals a value with the first key.
    #[must_use]
    pub fn seal(&self, subject: Subject<'_>, value: &SecretString) -> Vec<u8> {
        self.keys[0].seal(subject, value)
    }

    /// Seals a value with this key.
    ///
    /// # Errors
    /// [`OpenError::UnknownKey`].
    pub fn seal_with(
        &self,
        key: KeyId,
        subject: Subject<'_>,
        value: &SecretString,
    ) -> Result<Vec<u8>, OpenError> {
        let key = self
            .keys
            .iter()
            .find(|known| known.id == key)
            .ok_or(OpenError::UnknownKey(key))?;
        Ok(key.seal(subject, value))
    }

    /// Which key a value is sealed with.
    ///
    /// # Errors
    /// [`OpenError::Format`].
    pub fn key_of(sealed: &[u8]) -> Result<KeyId, OpenError> {
        match sealed.split_first() {
            Some((&VERSION, rest)) if sealed.len() >= HEAD_BYTES => {
                KeyId::from_bytes(&rest[..ID_BYTES]).ok_or(OpenError::Format)
            }
            _ => Err(OpenError::Format),
        }
    }

    /// Opens a value.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, subject: Subject<'_>, sealed: &[u8]) -> Result<SecretString, OpenError> {
        let id = Self::key_of(sealed)?;
        let key = self
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or(OpenError::UnknownKey(id))?;
        let associated = subject.associated_data();
        let payload = Payload {
            msg: &sealed[HEAD_BYTES..],
            aad: &associated,
        };
        let nonce = XNonce::from_slice(&sealed[1 + ID_BYTES..HEAD_BYTES]);
        let opened = key
            .cipher()
            .decrypt(nonce, payload)
            .map_err(|_| OpenError::Forged)?;
        String::from_utf8(opened)
            .map(SecretString::from)
            .map_err(|error| {
                error.into_bytes().zeroize();
                OpenError::Format
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring(keys: &[&str]) -> KeyRing {
        KeyRing::parse(&keys.join(",")).unwrap()
    }

    fn key(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn a_ring_is_read_and_faults_are_named_by_their_place() {
        let (a, b) = (key('a'), key('b'));
        let two = KeyRing::parse(&format!("# old ones below\n{a}\n\n {b} \n")).unwrap();
        assert_eq!(
            two.ids().collect::<Vec<_>>(),
            ring(&[&a, &b]).ids().collect::<Vec<_>>()
        );
        assert_eq!(two.active(), ring(&[&a]).active());
        let fault = |text: &str| KeyRing::parse(text).unwrap_err();
        assert_eq!(fault(""), KeyRingError::Empty);
        assert_eq!(fault(&format!("{a},xyz")), KeyRingError::Malformed(2));
        assert_eq!(fault(&a[1..]), KeyRingError::Malformed(1));
        assert_eq!(fault(&format!("{a},{b},{a}")), KeyRingError::Twice(1, 3));
        assert!(!format!("{two:?}").contains("aaaa"));
    }

    #[test]
    fn keys_are_wiped_when_they_are_dropped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let ring = ring(&[&key('a')]);
        let key = &ring.keys[0];
        wiped(&key.bytes);
        wiped(&key.cipher());
    }

    #[test]
    fn a_value_opens_for_its_job_and_name_with_any_ring_that_has_its_key() {
        let (old, new) = (key('a'), key('b'));
        let job = JobId::generate();
        let subject = Subject { job, name: "KEY" };
        let sealed = ring(&[&old]).seal(subject, &SecretString::from("hunter2"));
        assert_eq!(
            ring(&[&new, &old])
                .open(subject, &sealed)
                .unwrap()
                .expose_secret(),
            "hunter2"
        );
        let missing = ring(&[&old]).active();
        assert_eq!(
            ring(&[&new]).open(subject, &sealed).unwrap_err(),
            OpenError::UnknownKey(missing)
        );
        for other in [
            Subject { job, name: "KEYS" },
            Subject {
                job: JobId::generate(),
                name: "KEY",
            },
        ] {
            assert_eq!(ring(&[&old]).open(other, &sealed).unwrap_err(), OpenError::Forged);
        }
        assert_ne!(
            sealed,
            ring(&[&old]).seal(subject, &SecretString::from("hunter2"))
        );
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_opens_again_and_nothing_that_was_changed(
            value in ".{0,200}", name in "[A-Z_]{1,20}", byte in any::<prop::sample::Index>(), bit in 0..8_u32
        ) {
            let ring = ring(&[&key('a')]);
            let job = JobId::generate();
            let subject = Subject { job, name: &name };
            let mut sealed = ring.seal(subject, &SecretString::from(value.clone()));
            let opened = ring.open(subject, &sealed).unwrap();
            prop_assert_eq!(opened.expose_secret(), value.as_str());
            let place = byte.index(sealed.len());
            sealed[place] ^= 1 << bit;
            prop_assert!(ring.open(subject, &sealed).is_err());
        }

        #[test]
        fn whatever_bytes_there_are_do_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let subject = Subject { job: JobId::generate(), name: "A" };
            prop_assert!(ring(&[&key('a')]).open(subject, &bytes).is_err());
        }
    }
}
