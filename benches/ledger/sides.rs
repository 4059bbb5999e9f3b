//! A server that keeps records and logs, and one that does not.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::package::Package;
use crate::postgres::StoppablePostgres;
use crate::support::load::Load;
use crate::support::serve::Serve;

/// A function that only answers.
pub(crate) const QUIET: &str = "/quiet";
/// One that writes a line of its log, too.
pub(crate) const LOGGING: &str = "/logging";

const QUIET_MODULE: &str = "export const handler = (request, response) => response.text('Hello, world!');";
const LOGGING_MODULE: &str = "export const handler = (request, response) => {
    console.log('somebody says hello');
    response.text('Hello, world!');
};";
/// Between two looks at what is kept.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Side {
    serve: Serve,
    database: SecretString,
    quiet: Cell<u64>,
    logging: Cell<u64>,
}

/// What a server has kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) records: u64,
    pub(crate) lines: u64,
}

impl Side {
    /// Starts the side `on` or `off`, with both functions.
    pub(crate) fn start(
        name: &str,
        runtime: &Runtime,
        postgres: &StoppablePostgres,
        folder: &Path,
    ) -> Result<Self> {
        let url = runtime.block_on(postgres.make(&format!("bench_{name}")))?;
        // Every line is to be kept, not only as many as one runner may write.
        let on = [("LOG_RUNNER_RATE", "1g"), ("LOG_RUNNER_BURST", "1g")];
        let off = [("LEDGER_ENABLED", "false"), ("LOG_DRIVER", "none"), on[0], on[1]];
        let environment = if name == "on" { &on[..] } else { &off[..] };
        let instance = format!("bench-ledger-{name}-{}", std::process::id());
        let serve = Serve::start(&instance, &folder.join(name), url.expose_secret(), environment)?;
        for (path, module) in [(QUIET, QUIET_MODULE), (LOGGING, LOGGING_MODULE)] {
            let package = Package::new(path.trim_start_matches('/'), module);
            let package = package.action(json!({ "runnerMaxAge": 3600, "runnerMaxAgeHard": 0 }));
            serve.publish(runtime.block_on(package.zip()))?;
        }
        Ok(Self {
            serve,
            database: url,
            quiet: Cell::new(0),
            logging: Cell::new(0),
        })
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.serve.gateway()
    }

    /// Answers per second under a load of that many connections.
    pub(crate) fn load(&self, path: &'static str, connections: usize, time: Duration) -> Result<f64> {
        let load = Load {
            address: self.gateway(),
            path,
            connections,
        };
        let run = load.run(time)?;
        // Each connection asks once before it is measured.
        let answered = run.latencies.len() + connections;
        let count = if path == LOGGING {
            &self.logging
        } else {
            &self.quiet
        };
        count.set(count.get() + answered as u64);
        Ok(run.rate)
    }

    /// What there is to be kept of the calls that were answered.
    pub(crate) fn expected(&self) -> Kept {
        let (quiet, logging) = (self.quiet.get(), self.logging.get());
        Kept {
            records: quiet + logging,
            lines: logging,
        }
    }

    /// What is kept, once it is as much as this, or after `longest`.
    pub(crate) async fn kept(&self, expected: Kept, longest: Duration) -> Result<Kept> {
        let deadline = Instant::now() + longest;
        loop {
            let now = self.count().await?;
            let all = now.records >= expected.records && now.lines >= expected.lines;
            if all || Instant::now() > deadline {
                return Ok(now);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn count(&self) -> Result<Kept> {
        let (client, connection) = tokio_postgres::connect(self.database.expose_secret(), NoTls).await?;
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let counted = "select (select count(*) from invocations where status = 'succeeded'),
                              (select count(*) from runner_logs where stream = 'stdout')";
        let row = client.query_one(counted, &[]).await?;
        Ok(Kept {
            records: u64::try_from(row.get::<_, i64>(0))?,
            lines: u64::try_from(row.get::<_, i64>(1))?,
        })
    }
}
