//! Connections: a pool with time limits for everybody, and single ones for whoever needs a session of its own.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use deadpool_postgres::{
    Client, Connect, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Config, Connection, NoTls, Socket};

use super::error::{DatabaseError, describe};

/// A connection on which what was sent is not acknowledged for so long has ended.
const UNANSWERED: Duration = Duration::from_secs(20);
/// The same for Postgres, whose default is two hours: locks of a server whose machine is gone are let go of in half a minute.
const FAREWELL: &str = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000";

/// How to reach Postgres and how long to wait for it.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `postgresql://user:password@host/database`.
    pub url: SecretString,
    /// Most connections of the pool.
    pub pool_size: usize,
    /// Longest wait for a free connection of the pool.
    pub wait: Duration,
    /// Longest time for making a connection.
    pub connect: Duration,
    /// Longest time for finding out whether an idle connection still works.
    pub recycle: Duration,
    /// Longest run of one statement; Postgres ends it.
    pub statement: Duration,
}

impl DatabaseConfig {
    /// The defaults, for this database.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            pool_size: 16,
            wait: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            recycle: Duration::from_secs(5),
            statement: Duration::from_secs(30),
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    dedicated: Config,
}

impl Database {
    /// Prepares the pool; connects to nothing yet. Connections live on the runtime that is current now, whichever
    /// thread asks for them later: those of short-lived runtimes (the HTTP servers' workers) would die with them.
    ///
    /// # Errors
    /// [`DatabaseError::Url`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let dedicated = dedicated_config(config)?;
        let mut pooled = dedicated.clone();
        // Compiling a statement pays for reports, and all of ours are short: it would cost more than they do.
        let ours = format!("-c jit=off -c statement_timeout={}", config.statement.as_millis());
        let options = match dedicated.get_options() {
            Some(own) => format!("{ours} {own}"),
            None => ours,
        };
        pooled.options(options);
        let recycling_method = RecyclingMethod::Fast;
        let connect = ConnectOn {
            runtime: Handle::current(),
        };
        let manager = Manager::from_connect(pooled, connect, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager)
            .max_size(config.pool_size)
            // The connection that was used last has its statements planned, and its caches warm.
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts {
                wait: Some(config.wait),
                create: Some(config.connect),
                recycle: Some(config.recycle),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| DatabaseError::Connection(error.to_string()))?;
        Ok(Self { pool, dedicated })
    }

    /// A connection of the pool.
    ///
    /// # Errors
    /// [`DatabaseError::Connection`] when there is none in time.
    pub(super) async fn client(&self) -> Result<Client, DatabaseError> {
        Ok(self.pool.get().await?)
    }

    /// Closes a connection of the pool on which a `COPY` may have been refused. The crate (0.7.18) ends a refused one twice, so that whoever
    /// used the connection next would be given answers to what it did not ask.
    pub(super) fn abandon(client: Client) {
        drop(Client::take(client));
    }

    /// A connection outside of the pool, for locks and notifications. Nothing happens on it unless the returned
    /// [`Connection`] is polled.
    pub(super) async fn dedicated(
        &self,
    ) -> Result<(tokio_postgres::Client, Connection<Socket, NoTlsStream>), DatabaseError> {
        let connected = self.dedicated.connect(NoTls).await;
        connected.map_err(|error| DatabaseError::Connection(describe(&error)))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`DatabaseError`] when it does not.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.client().await?.simple_query("select 1").await?;
        Ok(())
    }

    /// How the pool is used.
    #[must_use]
    pub fn gauge(&self) -> PoolGauge {
        let status = self.pool.status();
        PoolGauge {
            most: status.max_size,
            idle: status.available.min(status.size),
            busy: status.size.saturating_sub(status.available),
            awaited: status.waiting,
        }
    }

    /// The database's version and its clock.
    ///
    /// # Errors
    /// [`DatabaseError`] when it does not answer.
    pub async fn about(&self) -> Result<(String, DateTime<Utc>), DatabaseError> {
        let query = "select current_setting('server_version'), clock_timestamp()";
        let row = self.client().await?.query_one(query, &[]).await?;
        Ok((row.get(0), row.get(1)))
    }

    /// Closes the pool: waiting and later users get an error.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// How a pool is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolGauge {
    /// Most connections.
    pub most: usize,
    /// Connections that nobody uses.
    pub idle: usize,
    /// Connections that somebody uses.
    pub busy: usize,
    /// How many wait for a connection.
    pub awaited: usize,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("pool", &self.pool.status())
            .finish_non_exhaustive()
    }
}

fn dedicated_config(config: &DatabaseConfig) -> Result<Config, DatabaseError> {
    let mut parsed = Config::from_str(config.url.expose_secret()).map_err(DatabaseError::Url)?;
    if parsed.get_application_name().is_none() {
        parsed.application_name("jobber");
    }
    if parsed.get_connect_timeout().is_none() {
        parsed.connect_timeout(config.connect);
    }
    let options = match parsed.get_options() {
        Some(own) => format!("{FAREWELL} {own}"),
        None => FAREWELL.to_owned(),
    };
    parsed.options(options);
    parsed.keepalives_idle(Duration::from_secs(30));
    // What was sent to a server that is gone without a word (a failover) is not waited for as long as the system does.
    parsed.tcp_user_timeout(UNANSWERED);
    Ok(parsed)
}

/// Connects, and drives the connection, on one runtime.
struct ConnectOn {
    runtime: Handle,
}

impl Connect for ConnectOn {
    #[expect(
        clippy::disallowed_methods,
        reason = "the pool owns the returned handle and aborts it with its connection"
    )]
    fn connect(
        &self,
        config: &Config,
    ) -> BoxFuture<'_, Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>> {
        let (config, runtime) = (config.clone(), self.runtime.clone());
        async move {
            let connecting = self.runtime.spawn(async move {
                let (client, connection) = config.connect(NoTls).await?;
                let driver = runtime.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::warn!(error = describe(&error), "a database connection ended");
                    }
                });
                Ok((client, driver))
            });
            match connecting.await {
                Ok(connected) => connected,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is shutting down. The pool's own time limit ends the waiting.
                Err(_) => std::future::pending().await,
            }
        }
        .boxed()
    }
}
