//! The one bearer token that guards the admin port until there are accounts.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::database::Database;
use super::error::DatabaseError;

const FILE_NAME: &str = "admin-token";
const TOKEN_BYTES: usize = 32;
/// Taken while a token is made, so that servers that start together agree on one.
const TOKEN_LOCK: i64 = 0x006a_6f62_746f_6b65;
const READ: &str = "select hash from admin_token";
const WRITE: &str = "
    insert into admin_token (hash) values ($1)
    on conflict (singleton) do update set hash = excluded.hash, created_at = now()";

/// Why there is no admin token.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// Postgres is out of reach.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The token's file can not be written or read.
    #[error("the admin token's file {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

/// What the guard compares with: never the token, only its SHA-256. The token has 256 random bits, so a plain hash
/// does.
#[derive(Clone)]
pub struct AdminToken {
    hash: [u8; 32],
}

/// The token's hash, and the token itself if this server may know it.
#[derive(Debug)]
pub struct EnsuredToken {
    /// For the guard.
    pub guard: AdminToken,
    /// In clear, if it was just made or its file is still there.
    pub token: Option<SecretString>,
    /// Whether it was made just now: then, and only then, print it.
    pub created: bool,
    /// Where it is kept in clear, readable by the owner only.
    pub file: PathBuf,
}

impl AdminToken {
    /// Reads the token's hash, or makes a token if there is none yet: its hash goes to Postgres and the token itself
    /// to `<data>/admin-token`.
    ///
    /// # Errors
    /// [`AdminTokenError`].
    pub async fn ensure(database: &Database, data: &Path) -> Result<EnsuredToken, AdminTokenError> {
        Self::establish(database, data, false).await
    }

    /// Makes a new token; the old one is void from the next start on.
    ///
    /// # Errors
    /// [`AdminTokenError`].
    pub async fn replace(database: &Database, data: &Path) -> Result<EnsuredToken, AdminTokenError> {
        Self::establish(database, data, true).await
    }

    async fn establish(
        database: &Database,
        data: &Path,
        anew: bool,
    ) -> Result<EnsuredToken, AdminTokenError> {
        let file = data.join(FILE_NAME);
        let mut client = database.client().await?;
        let transaction = client.transaction().await.map_err(DatabaseError::from)?;
        transaction
            .execute("select pg_advisory_xact_lock($1)", &[&TOKEN_LOCK])
            .await
            .map_err(DatabaseError::from)?;
        let known = transaction
            .query_opt(READ, &[])
            .await
            .map_err(DatabaseError::from)?;
        if let Some(row) = known.filter(|_| !anew) {
            let guard = Self {
                hash: hash_of_row(row.get("hash"))?,
            };
            let token = read(&file)?.filter(|token| guard.admits(token.expose_secret()));
            return Ok(EnsuredToken {
                guard,
                token,
                created: false,
                file,
            });
        }
        let token = generate();
        let guard = Self {
            hash: hash(token.expose_secret()),
        };
        transaction
            .execute(WRITE, &[&guard.hash.as_slice()])
            .await
            .map_err(DatabaseError::from)?;
        // Written before the commit: a token whose hash is known is always in its file.
        write(&file, &token).map_err(|error| AdminTokenError::File {
            path: file.clone(),
            error,
        })?;
        transaction.commit().await.map_err(DatabaseError::from)?;
        Ok(EnsuredToken {
            guard,
            token: Some(token),
            created: true,
            file,
        })
    }

    /// Whether this is the token. Takes the same time whatever was given.
    #[must_use]
    pub fn admits(&self, token: &str) -> bool {
        hash(token).ct_eq(&self.hash).into()
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

fn generate() -> SecretString {
    let mut random = [0; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut random);
    SecretString::from(hex::encode(random))
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn hash_of_row(hash: &[u8]) -> Result<[u8; 32], DatabaseError> {
    let unexpected =
        |_| DatabaseError::Unexpected("an admin token's hash that is not of 32 bytes".to_owned());
    hash.try_into().map_err(unexpected)
}

fn read(file: &Path) -> Result<Option<SecretString>, AdminTokenError> {
    match fs::read_to_string(file) {
        Ok(token) => Ok(Some(SecretString::from(token.trim()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AdminTokenError::File {
            path: file.to_owned(),
            error,
        }),
    }
}

fn write(file: &Path, token: &SecretString) -> io::Result<()> {
    let temporary = file.with_extension("new");
    // A leftover could be readable by others, and opening it would keep that.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    writeln!(opened, "{}", token.expose_secret())?;
    opened.sync_all()?;
    fs::rename(&temporary, file)?;
    fs::File::open(file.parent().unwrap_or(Path::new("/")))?.sync_all()
}
