//! A Postgres of a test's own that can be taken away and given back, at one address.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jobber::child::Spawner;
use jobber::postgres::EmbeddedPostgres;
use jobber::store::{Database, DatabaseConfig, migrate};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::TestDatabase;

/// Where connections lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To the Postgres on this port.
    Open(u16),
    /// Nowhere: they are closed.
    Closed,
    /// Nowhere: they stay open, and nothing is heard of them.
    Silent,
}

/// A Postgres behind a way that a test can close.
pub struct BreakablePostgres {
    folder: TempDir,
    spawner: Spawner,
    postgres: Option<EmbeddedPostgres>,
    way: watch::Sender<Way>,
    port: u16,
    said: Arc<AtomicU64>,
    _relay: JoinSet<()>,
}

impl BreakablePostgres {
    /// A new one, open.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spawner = Spawner::start().unwrap();
        let postgres = EmbeddedPostgres::start(folder.path(), &spawner).await.unwrap();
        let (way, seen) = watch::channel(Way::Open(port_of(&postgres)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::new(AtomicU64::new(0));
        let mut relay = JoinSet::new();
        relay.spawn(accept(listener, seen, Arc::clone(&said)));
        Self {
            folder,
            spawner,
            postgres: Some(postgres),
            way,
            port,
            said,
            _relay: relay,
        }
    }

    /// A migrated database of it.
    pub async fn database(&self) -> TestDatabase {
        let postgres = self.postgres.as_ref().unwrap();
        let url = postgres.url();
        let (its, ours) = (format!(":{}/", port_of(postgres)), format!(":{}/", self.port));
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
        self.said.load(Ordering::Relaxed)
    }

    /// Shuts it down.
    pub async fn stop(&mut self) {
        self.way.send_replace(Way::Closed);
        if let Some(postgres) = self.postgres.take() {
            postgres.stop().await.unwrap();
        }
    }

    /// Starts it again, on the same data and at the same address.
    pub async fn start_again(&mut self) {
        let postgres = EmbeddedPostgres::start(self.folder.path(), &self.spawner)
            .await
            .unwrap();
        self.way.send_replace(Way::Open(port_of(&postgres)));
        self.postgres = Some(postgres);
    }

    /// Nothing comes through any more, and nobody is told.
    pub fn silence(&self) {
        self.way.send_replace(Way::Silent);
    }

    /// Everything comes through again, for new connections.
    pub fn open(&self) {
        let postgres = self.postgres.as_ref().unwrap();
        self.way.send_replace(Way::Open(port_of(postgres)));
    }
}

fn port_of(postgres: &EmbeddedPostgres) -> u16 {
    let config: tokio_postgres::Config = postgres.url().expose_secret().parse().unwrap();
    config.get_ports()[0]
}

async fn accept(listener: TcpListener, way: watch::Receiver<Way>, said: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        connections.spawn(relay(client, way.clone(), Arc::clone(&said)));
        while connections.try_join_next().is_some() {}
    }
}

/// Passes on what both sides say, until one of them ends or the way changes.
async fn relay(mut client: TcpStream, mut way: watch::Receiver<Way>, said: Arc<AtomicU64>) {
    let Some(mut server) = lead(&mut way).await else {
        return;
    };
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    loop {
        let passed_on = tokio::select! {
            _ = way.changed() => {
                if *way.borrow() == Way::Silent {
                    // Until it is something else: then both ends are closed.
                    drop(way.wait_for(|way| *way != Way::Silent).await);
                }
                return;
            }
            read = client.read(&mut from_client) => {
                said.fetch_add(1, Ordering::Relaxed);
                pass_on(read, &from_client, &mut server).await
            }
            read = server.read(&mut from_server) => pass_on(read, &from_server, &mut client).await,
        };
        if !passed_on {
            return;
        }
    }
}

/// Connects to where the way leads, once it leads somewhere.
async fn lead(way: &mut watch::Receiver<Way>) -> Option<TcpStream> {
    let way = *way.wait_for(|way| *way != Way::Silent).await.ok()?;
    match way {
        Way::Open(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok(),
        Way::Closed | Way::Silent => None,
    }
}

async fn pass_on(read: std::io::Result<usize>, bytes: &[u8], to: &mut TcpStream) -> bool {
    match read {
        Ok(0) | Err(_) => false,
        Ok(count) => to.write_all(&bytes[..count]).await.is_ok(),
    }
}
