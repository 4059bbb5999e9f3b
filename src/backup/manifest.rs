//! What a backup says of itself, and whether it fits a system. Pure.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use jobber_actors::domain::ArchiveDigest;
use serde::{Deserialize, Serialize};

/// The layout of the file that this version writes and reads.
pub const FORMAT: u32 = 1;

/// One file within a backup. Nothing else may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// [`Manifest`], the first one.
    Manifest,
    /// The database, in pg_dump's custom format.
    Database,
    /// A package as it was published.
    Archive(ArchiveDigest),
    /// The keys of the variables. Only in encrypted backups.
    MasterKey,
    /// The instance's own token. Only in encrypted backups.
    AdminToken,
    /// [`Checksums`], the last one.
    Checksums,
}

/// A name that no part of a backup has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no part of a backup")]
pub struct NoPart(String);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => f.write_str("manifest.json"),
            Self::Database => f.write_str("database.dump"),
            Self::Archive(digest) => write!(f, "archives/{digest}.zip"),
            Self::MasterKey => f.write_str("master-key"),
            Self::AdminToken => f.write_str("admin-token"),
            Self::Checksums => f.write_str("checksums.json"),
        }
    }
}

impl FromStr for Part {
    type Err = NoPart;

    fn from_str(text: &str) -> Result<Self, NoPart> {
        let fixed = [
            Self::Manifest,
            Self::Database,
            Self::MasterKey,
            Self::AdminToken,
            Self::Checksums,
        ];
        if let Some(part) = fixed.into_iter().find(|part| part.to_string() == text) {
            return Ok(part);
        }
        let digest = text
            .strip_prefix("archives/")
            .and_then(|name| name.strip_suffix(".zip"));
        let part = digest.and_then(|digest| digest.parse().ok()).map(Self::Archive);
        // There is one way to write it.
        part.filter(|part| part.to_string() == text)
            .ok_or_else(|| NoPart(text.to_owned()))
    }
}

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The layout of the file.
    pub format: u32,
    /// The version of Jobber that wrote it.
    pub jobber: String,
    /// The moment that it shows.
    pub created: DateTime<Utc>,
    /// The major version of the database's server.
    pub postgres: u32,
    /// The number of the newest migration.
    pub schema: u32,
    /// How many packages are in it.
    pub archives: u64,
    /// Packages that versions refer to and that were not on the server's disk: they were lost before.
    pub missing_archives: Vec<String>,
    /// The keys that its sealed values need.
    pub keys: Vec<String>,
    /// Whether it has the key file and the token.
    pub has_secrets: bool,
}

/// Bytes and SHA-256 of every other part, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checksums(pub Vec<Checksum>);

/// What a part has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// Its name in the file.
    pub part: String,
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// Why a backup can not be restored here, although nothing is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Another layout.
    #[error("it has format {0}, and this Jobber reads format {FORMAT}: restore it with a newer Jobber")]
    Format(u32),
    /// A schema that this version does not know.
    #[error(
        "it was made by the newer Jobber {jobber}, with schema {theirs}; this one is {here} and knows schemas up to {ours}: \
         restore it with Jobber {jobber} or newer",
        here = env!("CARGO_PKG_VERSION")
    )]
    Schema {
        /// The version that wrote it.
        jobber: String,
        /// Its schema.
        theirs: u32,
        /// The newest one that is known here.
        ours: u32,
    },
    /// Postgres does not restore into an older version.
    #[error(
        "its database is of PostgreSQL {theirs}, and the one here is PostgreSQL {ours}: restore it into PostgreSQL {theirs} or newer"
    )]
    Postgres {
        /// The backup's.
        theirs: u32,
        /// The target's.
        ours: u32,
    },
}

impl Manifest {
    /// Whether this version can read it, and whether it fits a schema and a server of these versions.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn check(&self, schema: u32, postgres: u32) -> Result<(), Unfit> {
        self.check_format()?;
        if self.schema > schema {
            return Err(Unfit::Schema {
                jobber: self.jobber.clone(),
                theirs: self.schema,
                ours: schema,
            });
        }
        if self.postgres > postgres {
            return Err(Unfit::Postgres {
                theirs: self.postgres,
                ours: postgres,
            });
        }
        Ok(())
    }

    /// Whether this version can read it.
    ///
    /// # Errors
    /// [`Unfit::Format`].
    pub fn check_format(&self) -> Result<(), Unfit> {
        if self.format == FORMAT {
            Ok(())
        } else {
            Err(Unfit::Format(self.format))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            jobber: "9.0.0".into(),
            created: DateTime::UNIX_EPOCH,
            postgres: 17,
            schema: 11,
            archives: 0,
            missing_archives: Vec::new(),
            keys: Vec::new(),
            has_secrets: false,
        }
    }

    #[test]
    fn parts_are_read_as_they_are_written_and_lead_nowhere_else() {
        let archive = Part::Archive([7; 32].into());
        for part in [
            Part::Manifest,
            Part::Database,
            archive,
            Part::MasterKey,
            Part::AdminToken,
            Part::Checksums,
        ] {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
        let upper = archive.to_string().to_uppercase();
        for text in [
            "",
            "/etc/passwd",
            "../master-key",
            "archives/../x.zip",
            "archives/07.zip",
            &upper,
        ] {
            assert_eq!(text.parse::<Part>(), Err(NoPart(text.to_owned())));
        }
    }

    #[test]
    fn older_ones_fit_and_newer_ones_are_refused_by_name() {
        assert_eq!(manifest().check(11, 17), Ok(()));
        assert_eq!(manifest().check(12, 18), Ok(()));
        let told = manifest().check(10, 17).unwrap_err().to_string();
        assert!(
            told.contains("the newer Jobber 9.0.0, with schema 11") && told.contains("up to 10"),
            "{told}"
        );
        let told = manifest().check(11, 16).unwrap_err().to_string();
        assert!(told.contains("PostgreSQL 17 or newer"), "{told}");
        let newer = Manifest {
            format: 2,
            ..manifest()
        };
        assert_eq!(newer.check(11, 17), Err(Unfit::Format(2)));
    }
}
