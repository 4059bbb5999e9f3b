//! An address that leads to another one, which can be closed and led elsewhere.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Where connections lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To the Postgres on this port.
    Open(u16),
    /// Nowhere: they are closed.
    Closed,
    /// Nowhere: they stay open, and nothing is heard of them.
    Silent,
    /// To the Postgres on this port. What led there before is closed at the clients' end only.
    Orphaned(u16),
}

/// A port of this machine whose connections are passed on.
pub struct Relay {
    way: watch::Sender<Way>,
    port: u16,
    said: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// One that leads to this port of this machine.
    pub async fn to(port: u16) -> std::io::Result<Self> {
        let (way, seen) = watch::channel(Way::Open(port));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let said = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, seen, Arc::clone(&said)));
        Ok(Self {
            way,
            port,
            said,
            _tasks: tasks,
        })
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often clients have said something.
    pub fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    /// New connections lead to this port.
    pub fn lead_to(&self, port: u16) {
        self.way.send_replace(Way::Open(port));
    }

    /// All connections end, and new ones, too.
    pub fn close(&self) {
        self.way.send_replace(Way::Closed);
    }

    /// The clients' ends of all connections are closed, and the server is not told. New connections lead to this port.
    pub fn orphan(&self, port: u16) {
        self.way.send_replace(Way::Orphaned(port));
    }

    /// Nothing comes through any more, and nobody is told.
    pub fn silence(&self) {
        self.way.send_replace(Way::Silent);
    }
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
                let now = *way.borrow();
                match now {
                    // Until it is something else: then both ends are closed.
                    Way::Silent => drop(way.wait_for(|way| *way != Way::Silent).await),
                    Way::Orphaned(_) => {
                        drop(client);
                        drop(way.changed().await);
                    }
                    Way::Open(_) | Way::Closed => {}
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
        Way::Open(port) | Way::Orphaned(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok(),
        Way::Closed | Way::Silent => None,
    }
}

async fn pass_on(read: std::io::Result<usize>, bytes: &[u8], to: &mut TcpStream) -> bool {
    match read {
        Ok(0) | Err(_) => false,
        Ok(count) => to.write_all(&bytes[..count]).await.is_ok(),
    }
}
