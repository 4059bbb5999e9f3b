//! The options of the first user, and of what secrets are sealed with.

use secrecy::{ExposeSecret, SecretString};

use super::parse::non_empty;
use super::reader::Reader;
use crate::access::MIN_PASSWORD_BYTES;
use crate::sealing::KeyRing;

/// Who gets in, and what secrets are sealed with.
#[derive(Clone, Debug)]
pub struct AccessSection {
    /// The name of the administrator that the first start makes.
    pub startup_username: String,
    /// Their password; without one it is made and printed once.
    pub startup_password: Option<SecretString>,
    /// What variables are sealed with; without it there is a file in the data directory.
    pub master_key: Option<SecretString>,
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
        let master_key = reader.take_optional_secret("JOBBER_MASTER_KEY");
        if let Some(Some(keys)) = &master_key
            && let Err(error) = KeyRing::parse(keys.expose_secret())
        {
            reader.problem("JOBBER_MASTER_KEY", error.to_string());
        }
        Some(Self {
            startup_username: startup_username?,
            startup_password: startup_password?,
            master_key: master_key?,
        })
    }
}
