//! The methods of routes.

use std::fmt;

use serde::{Serialize, Serializer};

/// An HTTP method in upper case: a standard one or any other token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodName(Box<str>);

/// Why a text is no method that a route can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Empty, too long, or with characters that no method has.
    #[error("a method is 1 to 32 letters, digits or `-`, `_`, such as `GET`; leave `method` out for any")]
    Malformed,
    /// `CONNECT` asks for a tunnel, which a function can not be.
    #[error("a function can not answer `CONNECT`")]
    Connect,
}

impl MethodName {
    /// Takes a method as a package wrote it, in any case.
    ///
    /// # Errors
    /// [`MethodError`] when no request that Jobber serves could ever have it.
    pub fn parse(text: &str) -> Result<Self, MethodError> {
        let fits = (1..=32).contains(&text.len());
        if !fits
            || !text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        {
            return Err(MethodError::Malformed);
        }
        let name = text.to_ascii_uppercase();
        if name == "CONNECT" {
            return Err(MethodError::Connect);
        }
        Ok(Self(name.into()))
    }

    /// The method, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for MethodName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
