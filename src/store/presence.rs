//! Which lives of servers are there: each holds a lock, for as long as its connection for notifications lives.

use jobber_actors::domain::ServerId;
use tokio_postgres::{Client, Transaction};

use super::error::DatabaseError;

const HOLD: &str = "select pg_advisory_lock_shared(hashtextextended('jobber server ' || $1, 0))";
const TRY: &str = "select pg_try_advisory_xact_lock(hashtextextended('jobber server ' || $1, 0))";

/// Says that this server is there, until the connection ends.
pub(super) async fn announce(client: &Client, server: ServerId) -> Result<(), DatabaseError> {
    client.query_one(HOLD, &[&server.to_string()]).await?;
    Ok(())
}

/// Whether a server is not there. It may also have lost its connection to the database.
pub(super) async fn is_gone(transaction: &Transaction<'_>, server: ServerId) -> Result<bool, DatabaseError> {
    let row = transaction.query_one(TRY, &[&server.to_string()]).await?;
    Ok(row.get(0))
}
