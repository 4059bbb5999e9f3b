//! A Postgres that can be stopped and started, at one address.

use anyhow::{Context, Result};
use jobber::child::Spawner;
use jobber::postgres::EmbeddedPostgres;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::relay::Relay;

pub(crate) struct StoppablePostgres {
    folder: TempDir,
    spawner: Spawner,
    running: Option<EmbeddedPostgres>,
    relay: Relay,
}

impl StoppablePostgres {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // What it started ends with it.
        let spawner = Spawner::start()?;
        let postgres = EmbeddedPostgres::start(folder.path(), &spawner).await?;
        let relay = Relay::to(port(&postgres)?).await?;
        Ok(Self {
            folder,
            spawner,
            running: Some(postgres),
            relay,
        })
    }

    /// Makes an empty database, and gives its URL.
    pub(crate) async fn make(&self, database: &str) -> Result<SecretString> {
        let postgres = self.running.as_ref().context("it is stopped")?;
        let through_relay = |url: SecretString| -> Result<SecretString> {
            let (its, ours) = (
                format!(":{}/", port(postgres)?),
                format!(":{}/", self.relay.port()),
            );
            Ok(url.expose_secret().replace(&its, &ours).into())
        };
        let (client, connection) = tokio_postgres::connect(postgres.url().expose_secret(), NoTls).await?;
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        client
            .batch_execute(&format!("create database {database}"))
            .await?;
        through_relay(postgres.database_url(database))
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.relay.close();
        if let Some(postgres) = self.running.take() {
            postgres.stop().await?;
        }
        Ok(())
    }

    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let postgres = EmbeddedPostgres::start(self.folder.path(), &self.spawner).await?;
        self.relay.lead_to(port(&postgres)?);
        self.running = Some(postgres);
        Ok(())
    }
}

fn port(postgres: &EmbeddedPostgres) -> Result<u16> {
    let config: tokio_postgres::Config = postgres.url().expose_secret().parse()?;
    let ports = config.get_ports().first();
    ports.copied().context("the private Postgres has a port")
}
