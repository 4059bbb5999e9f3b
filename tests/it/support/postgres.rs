//! One Postgres for all tests of a run, one database for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use jobber::child::Spawner;
use jobber::postgres::EmbeddedPostgres;
use jobber::store::{Database, DatabaseConfig, migrate};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

const TEMPLATE: &str = "it_template";
const FOLDER: &str = "it-postgres-";

/// A migrated database of the test's own.
pub struct TestDatabase {
    pub database: Database,
    pub url: SecretString,
}

impl TestDatabase {
    /// A migrated database.
    pub async fn new() -> Self {
        Self::copy_of(TEMPLATE).await
    }

    /// A database without any table.
    pub async fn empty() -> Self {
        Self::copy_of("template0").await
    }

    async fn copy_of(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let shared = shared();
        let name = format!("it_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let _one_at_a_time = shared.creating.lock().await;
        let client = connect(&shared.url).await;
        client
            .batch_execute(&format!("create database {name} template {template}"))
            .await
            .unwrap();
        let url = on(&shared.url, &name);
        let database = Database::new(&DatabaseConfig::new(url.clone())).unwrap();
        Self { database, url }
    }

    /// A connection behind Jobber's back.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }

    /// The only number that a query gives.
    pub async fn count(&self, query: &str) -> i64 {
        self.client().await.query_one(query, &[]).await.unwrap().get(0)
    }
}

struct Shared {
    url: SecretString,
    creating: Mutex<()>,
}

/// Started by the first test that asks. It ends with the process, told by the kernel; its folder is removed by the
/// next run.
fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (started, url) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            Runtime::new().unwrap().block_on(async {
                let spawner = Spawner::start().unwrap();
                let postgres = EmbeddedPostgres::start(&folder(), &spawner).await.unwrap();
                let url = postgres.url();
                // Nobody needs these databases after a crash.
                let client = connect(&url).await;
                for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
                    client
                        .batch_execute(&format!("alter system set {setting} = off"))
                        .await
                        .unwrap();
                }
                client.batch_execute("select pg_reload_conf()").await.unwrap();
                client
                    .batch_execute(&format!("create database {TEMPLATE}"))
                    .await
                    .unwrap();
                let template = Database::new(&DatabaseConfig::new(on(&url, TEMPLATE))).unwrap();
                migrate(&template).await.unwrap();
                // A template must have no sessions.
                template.close();
                started.send(url).unwrap();
                remove_leftovers();
                std::future::pending::<()>().await;
            });
        });
        Shared {
            url: url.recv().expect("Postgres should start"),
            creating: Mutex::default(),
        }
    })
}

/// A folder that names this process.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{FOLDER}{}", std::process::id()))
}

/// Removes the folders of processes that are gone.
fn remove_leftovers() {
    for entry in fs::read_dir(env!("CARGO_TARGET_TMPDIR"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(FOLDER)) else {
            continue;
        };
        if !Path::new("/proc").join(pid).exists() {
            // Whatever stays is for the next run.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

async fn connect(url: &SecretString) -> Client {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "it ends with the client")]
    tokio::spawn(connection);
    client
}

fn on(url: &SecretString, database: &str) -> SecretString {
    let (server, _) = url.expose_secret().rsplit_once('/').unwrap();
    format!("{server}/{database}").into()
}
