//! Bringing the schema up to date.

use futures_util::future;

use super::database::Database;
use super::error::{DatabaseError, describe};

/// Held while migrations run, so that servers that start together take turns. Any number that nobody else uses.
const MIGRATION_LOCK: i64 = 0x006a_6f62_6265_7231;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Why the schema is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Postgres is out of reach or refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A migration failed or does not fit what was applied before; nothing of it is left behind.
    #[error("the database schema can not be brought up to date: {0}")]
    Migration(#[from] refinery::Error),
}

/// The number of the newest migration that this version knows.
#[must_use]
pub fn newest_migration() -> u32 {
    let runner = embedded::migrations::runner();
    let numbers = runner.get_migrations().iter().map(refinery::Migration::version);
    numbers
        .max()
        .and_then(|newest| u32::try_from(newest).ok())
        .unwrap_or(0)
}

/// Applies the migrations that are not applied yet, on a connection of its own and under an advisory lock. Returns
/// how many were applied.
///
/// # Errors
/// [`MigrationError`].
pub async fn migrate(database: &Database) -> Result<usize, MigrationError> {
    let (mut client, connection) = database.dedicated().await?;
    let work = async move {
        client
            .execute("select pg_advisory_lock($1)", &[&MIGRATION_LOCK])
            .await
            .map_err(DatabaseError::from)?;
        let report = embedded::migrations::runner().run_async(&mut client).await?;
        // The lock ends with the session: `client` is dropped here.
        Ok(report.applied_migrations().len())
    };
    // The connection ends once `work` has dropped the client, or takes the client's statements with it.
    let (applied, closed) = future::join(work, connection).await;
    if let Err(error) = closed {
        tracing::warn!(
            error = describe(&error),
            "the migrations' database connection broke"
        );
    }
    applied
}
