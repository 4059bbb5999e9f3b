//! The host names of routes and requests.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use serde::{Serialize, Serializer};

/// A host name or address in lower case, without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(Box<str>);

/// Why a text is no host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostnameError {
    /// Nothing is left without the port.
    #[error("the host name is empty")]
    Empty,
    /// More than the 253 characters that DNS allows.
    #[error("a host name has at most 253 characters")]
    TooLong,
    /// Something that a request's `Host` can not hold.
    #[error("`{character}` can not be in a host name{}", hint(*character))]
    Character {
        /// The first such character.
        character: char,
    },
    /// Brackets around something that is no IPv6 address.
    #[error("`{0}` is not an IPv6 address")]
    Address(String),
}

fn hint(character: char) -> &'static str {
    match character {
        '*' => "; leave `hostname` out for any host",
        '/' => "; name the host alone, without scheme and path",
        _ if !character.is_ascii() => "; write it in its ASCII form (xn--…)",
        _ => "",
    }
}

impl Hostname {
    /// Takes a host name as a package wrote it. A port is ignored.
    ///
    /// # Errors
    /// [`HostnameError`] when no request could ever name such a host.
    pub fn parse(text: &str) -> Result<Self, HostnameError> {
        let name = normalise(text);
        if name.is_empty() {
            return Err(HostnameError::Empty);
        }
        if name.len() > 253 {
            return Err(HostnameError::TooLong);
        }
        if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(HostnameError::Address(address.to_owned()));
            }
        } else if let Some(character) = name
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')))
        {
            return Err(HostnameError::Character { character });
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Hostname {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A request's authority as it is compared: without port and final dot, in lower case. Allocates only for upper case.
pub(super) fn normalise(authority: &str) -> Cow<'_, str> {
    let without_port = match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (host.ends_with(']') || !host.contains(':')) =>
        {
            host
        }
        _ => authority,
    };
    let name = without_port.strip_suffix('.').unwrap_or(without_port);
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
