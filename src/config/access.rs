//! The options of the first user, and of what secrets are sealed with.

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use super::parse::{list, network, non_empty};
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
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may use the API with a token.
    pub cors_origins: Vec<String>,
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
        let trusted_proxies = reader.take("ADMIN_TRUSTED_PROXIES", |text| list(text, network));
        let cors_origins = reader.take("ADMIN_CORS_ORIGINS", |text| list(text, origin));
        Some(Self {
            startup_username: startup_username?,
            startup_password: startup_password?,
            master_key: master_key?,
            trusted_proxies: trusted_proxies?,
            cors_origins: cors_origins?,
        })
    }
}

/// A scheme and a host, perhaps with a port, and nothing else.
fn origin(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']) => {
            Ok(text.to_owned())
        }
        _ => Err("is no origin such as https://panel.example.com".to_owned()),
    }
}
