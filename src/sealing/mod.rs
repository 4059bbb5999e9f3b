//! Encryption of what must not lie in the database in clear: XChaCha20-Poly1305 under keys that are not in the database.

mod key_file;
mod keys;
mod ring;

pub use key_file::KeyFileError;
pub use keys::{KeySource, Keys};
pub use ring::{KeyId, KeyRing, KeyRingError, OpenError, Subject};
