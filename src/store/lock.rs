//! One publish of a job at a time, over all servers.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_util::task::TaskTracker;

use super::database::Database;
use super::error::{DatabaseError, describe};

/// The class of this server's advisory locks on jobs' names.
const JOB_LOCKS: i32 = 0x6a6f_6264;
const LOCK: &str = "select pg_advisory_lock($1, hashtext($2))";

/// A lock on a job's name, held until it is dropped.
///
/// It is an advisory lock of a session of its own, not of a pooled connection: importing a version takes long, and
/// Postgres lets go of the lock by itself when the server dies.
#[derive(Debug)]
pub struct JobLock {
    session: tokio_postgres::Client,
    driver: AbortHandle,
}

impl JobLock {
    /// Waits for the lock, at most `wait`; `None` if it was not to be had. `tasks` owns the connection's driver.
    ///
    /// # Errors
    /// [`DatabaseError`] when Postgres is out of reach.
    pub async fn acquire(
        database: &Database,
        tasks: &TaskTracker,
        job_name: &str,
        wait: Duration,
    ) -> Result<Option<Self>, DatabaseError> {
        let (session, connection) = database.dedicated().await?;
        let driver = tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(
                    error = describe(&error),
                    "the database connection of a publish lock ended"
                );
            }
        });
        let lock = Self {
            session,
            driver: driver.abort_handle(),
        };
        let limit = format!("{}ms", wait.as_millis());
        lock.session
            .execute("select set_config('lock_timeout', $1, false)", &[&limit])
            .await?;
        match lock.session.execute(LOCK, &[&JOB_LOCKS, &job_name]).await {
            Ok(_) => Ok(Some(lock)),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for JobLock {
    fn drop(&mut self) {
        // Ends the session at once.
        self.driver.abort();
    }
}
