//! Typed ids: a job's id can not be passed where a runner's is expected.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// What an id looks like, for those who gave something else.
pub const EXAMPLE_ID: &str = "019ab3f0-5d1c-7c51-a2ee-0c51b6f3a2d4";

/// More of what was given instead of an id is not repeated.
const MOST_GIVEN: usize = 100;

/// A text that is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id such as {example}", example = EXAMPLE_ID)]
pub struct NotAnId(String);

fn parse(text: &str) -> Result<Uuid, NotAnId> {
    Uuid::parse_str(text).map_err(|_| NotAnId(text.chars().take(MOST_GIVEN).collect()))
}

macro_rules! entity_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUID version 7: sorts by the time it was made).
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id behind its type, for adapters that store it.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

entity_id!(
    /// A job: what a package's `name` stands for, over all its versions.
    JobId
);
entity_id!(
    /// One published version of a job.
    VersionId
);
entity_id!(
    /// How one version runs; there is exactly one action for each version.
    ActionId
);
entity_id!(
    /// What starts a job. It is the same over all versions that name the same trigger.
    TriggerId
);
entity_id!(
    /// One container or process that executes one version, once.
    RunnerId
);
entity_id!(
    /// One execution of a handler, or the attempt at one.
    InvocationId
);
entity_id!(
    /// One life of a server: what it holds is its own until it ends or is found dead.
    ServerId
);
entity_id!(
    /// Somebody who may log in.
    UserId
);
entity_id!(
    /// A user's stay, from login to logout.
    SessionId
);
entity_id!(
    /// What a program of a user's proves itself with.
    ApiTokenId
);

/// The content of an archive: the SHA-256 over its entries' names and bytes, not over the zip's own bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArchiveDigest([u8; 32]);

impl ArchiveDigest {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ArchiveDigest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for ArchiveDigest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for ArchiveDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ArchiveDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_what_is_none_is_told_with_an_example() {
        let id = JobId::generate();
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<JobId>(&text).unwrap(), id);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(EXAMPLE_ID.parse::<JobId>().is_ok());
        let told = "\"shop\" is no id such as 019ab3f0-5d1c-7c51-a2ee-0c51b6f3a2d4";
        assert_eq!("shop".parse::<JobId>().unwrap_err().to_string(), told);
        let error = serde_json::from_str::<JobId>("\"shop\"").unwrap_err();
        assert!(error.to_string().starts_with(told), "{error}");
        let long = "x".repeat(10_000).parse::<JobId>().unwrap_err();
        assert!(long.to_string().len() < 200, "{long}");
    }
}
