//! The options of the first user.

use secrecy::{ExposeSecret, SecretString};

use super::parse::non_empty;
use super::reader::Reader;
use crate::access::MIN_PASSWORD_BYTES;

/// The administrator that the first start makes.
#[derive(Clone, Debug)]
pub struct AccessSection {
    /// Their name.
    pub startup_username: String,
    /// Their password; without one it is made and printed once.
    pub startup_password: Option<SecretString>,
}

impl AccessSection {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let startup_username = reader.take("STARTUP_USERNAME", non_empty);
        let startup_password = reader.take_optional_secret("STARTUP_PASSWORD");
        if let Some(Some(password)) = &startup_password
            && password.expose_secret().len() < MIN_PASSWORD_BYTES
        {
            let message = format!("has fewer than {MIN_PASSWORD_BYTES} bytes");
            reader.problem("STARTUP_PASSWORD", message);
        }
        Some(Self {
            startup_username: startup_username?,
            startup_password: startup_password?,
        })
    }
}
