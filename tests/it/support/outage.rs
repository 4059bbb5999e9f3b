//! A Postgres of a test's own that can be taken away and given back, at one address.

use jobber::child::Spawner;
use jobber::postgres::EmbeddedPostgres;
use jobber::store::{Database, DatabaseConfig, migrate};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::TestDatabase;
use super::relay::Relay;

/// A Postgres behind a way that a test can close.
pub struct BreakablePostgres {
    folder: TempDir,
    spawner: Spawner,
    postgres: Option<EmbeddedPostgres>,
    relay: Relay,
}

impl BreakablePostgres {
    /// A new one, open.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spawner = Spawner::start().unwrap();
        let postgres = EmbeddedPostgres::start(folder.path(), &spawner).await.unwrap();
        let relay = Relay::to(port_of(&postgres)).await.unwrap();
        Self {
            folder,
            spawner,
            postgres: Some(postgres),
            relay,
        }
    }

    /// A migrated database of it.
    pub async fn database(&self) -> TestDatabase {
        let postgres = self.postgres.as_ref().unwrap();
        let url = postgres.url();
        let (its, ours) = (
            format!(":{}/", port_of(postgres)),
            format!(":{}/", self.relay.port()),
        );
        let url: secrecy::SecretString = url.expose_secret().replace(&its, &ours).into();
        let database = Database::new(&DatabaseConfig::new(url.clone())).unwrap();
        migrate(&database).await.unwrap();
        TestDatabase { database, url }
    }

    /// The password of its user.
    pub fn password(&self) -> String {
        let url = self.postgres.as_ref().unwrap().url();
        let config: tokio_postgres::Config = url.expose_secret().parse().unwrap();
        String::from_utf8(config.get_password().unwrap().to_vec()).unwrap()
    }

    /// How often clients have said something.
    pub fn said(&self) -> u64 {
        self.relay.said()
    }

    /// Shuts it down.
    pub async fn stop(&mut self) {
        self.relay.close();
        if let Some(postgres) = self.postgres.take() {
            postgres.stop().await.unwrap();
        }
    }

    /// Starts it again, on the same data and at the same address.
    pub async fn start_again(&mut self) {
        let postgres = EmbeddedPostgres::start(self.folder.path(), &self.spawner)
            .await
            .unwrap();
        self.relay.lead_to(port_of(&postgres));
        self.postgres = Some(postgres);
    }

    /// Nothing comes through any more, and nobody is told.
    pub fn silence(&self) {
        self.relay.silence();
    }

    /// Clients lose their connections, and Postgres does not notice. New ones come through.
    pub fn orphan(&self) {
        let postgres = self.postgres.as_ref().unwrap();
        self.relay.orphan(port_of(postgres));
    }

    /// Everything comes through again, for new connections.
    pub fn open(&self) {
        let postgres = self.postgres.as_ref().unwrap();
        self.relay.lead_to(port_of(postgres));
    }
}

fn port_of(postgres: &EmbeddedPostgres) -> u16 {
    let config: tokio_postgres::Config = postgres.url().expose_secret().parse().unwrap();
    config.get_ports()[0]
}
