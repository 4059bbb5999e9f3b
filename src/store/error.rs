//! What can go wrong between here and Postgres.

use std::fmt::Write as _;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The address of the database can not be understood.
    #[error("the database URL is not valid: {}", describe(.0))]
    Url(#[source] tokio_postgres::Error),
    /// No connection could be had in time.
    #[error("no connection to the database: {0}")]
    Connection(String),
    /// A statement failed.
    #[error("the database refused: {}", describe(.0))]
    Statement(#[from] tokio_postgres::Error),
    /// The database holds something that this server did not write.
    #[error("the database holds something unexpected: {0}")]
    Unexpected(String),
}

impl DatabaseError {
    /// The SQLSTATE of a failed statement.
    #[must_use]
    pub fn sql_state(&self) -> Option<&SqlState> {
        match self {
            Self::Statement(error) => error.code(),
            _ => None,
        }
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Connection(describe(&error)),
            other => Self::Connection(other.to_string()),
        }
    }
}

/// The whole story: `tokio_postgres` shows only the class of an error, and keeps the rest in its sources.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return format!("{} ({})", refusal.message(), refusal.code().code());
    }
    let mut story = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // Writing to a String does not fail.
        let _ = write!(story, ": {cause}");
        source = cause.source();
    }
    story
}
