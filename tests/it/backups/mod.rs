//! Backups of a system in which there is something of everything, and restoring them.

mod api;
mod refusals;
mod scheduled;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jobber::archive::DiskArchiveStore;
use jobber::backup::{BackupInfo, BackupParts, Backups, RestoreError, RestoreTarget, Restored, restore};
use jobber::child::Spawner;
use jobber::sealing::{KeySource, Keys};
use jobber::store::{
    Database, DatabaseConfig, EnvironmentStore, PublishStore, VariableKind, VariableSet, establish_keys,
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::support::{Package, Publishing, TestDatabase};

const PASSPHRASE: &str = "correct horse battery staple";

fn passphrase() -> SecretString {
    PASSPHRASE.into()
}

/// Backups of the system with this database and data folder.
fn backups_of(db: &TestDatabase, data: &Path, keep: usize) -> Backups {
    Backups::new(BackupParts {
        database: db.database.clone(),
        url: db.url.clone(),
        archives: DiskArchiveStore::open(data).unwrap(),
        data: data.to_owned(),
        folder: data.join("backups"),
        keep,
        passphrase: None,
        spawner: Spawner::start().unwrap(),
    })
}

/// A system with one published version and a sealed variable, without a server.
struct Small {
    publishing: Publishing,
    backups: Backups,
}

impl Small {
    async fn new() -> Self {
        let publishing = Publishing::new().await;
        establish_keys(&publishing.db.database, &publishing.keys)
            .await
            .unwrap();
        let key = |folder: &Path| folder.join("master-key");
        std::fs::copy(key(publishing.key_folder.path()), key(publishing.data.path())).unwrap();
        let published = publishing.publish(&Package::new("shop", "1.0.0")).await.unwrap();
        let environment = EnvironmentStore::new(publishing.db.database.clone(), Arc::clone(&publishing.keys));
        let set = environment
            .set(published.job_id, "KEY", VariableKind::Secret, &"s3cret".into())
            .await
            .unwrap();
        assert_eq!(set, VariableSet::Done);
        let backups = backups_of(&publishing.db, publishing.data.path(), 3);
        Self { publishing, backups }
    }

    fn path_of(&self, made: &BackupInfo) -> PathBuf {
        self.publishing.data.path().join("backups").join(&made.name)
    }
}

/// A database and a data folder in which there is nothing.
struct Empty {
    db: TestDatabase,
    data: TempDir,
}

impl Empty {
    async fn new() -> Self {
        Self {
            db: TestDatabase::empty().await,
            data: tempfile::tempdir().unwrap(),
        }
    }

    async fn restore(
        &self,
        file: &Path,
        passphrase: Option<SecretString>,
        replace: bool,
    ) -> Result<Restored, RestoreError> {
        restore_into(&self.db, self.data.path(), file, passphrase, replace).await
    }

    /// Nothing came into it.
    async fn is_untouched(&self) {
        assert!(rows(&self.db.client().await).await.is_empty());
        let left: Vec<_> = std::fs::read_dir(self.data.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

async fn restore_into(
    db: &TestDatabase,
    data: &Path,
    file: &Path,
    passphrase: Option<SecretString>,
    replace: bool,
) -> Result<Restored, RestoreError> {
    // As the command has it: this database's other connections are those of servers.
    let database = Database::new(&DatabaseConfig {
        pool_size: 1,
        ..DatabaseConfig::new(db.url.clone())
    })
    .unwrap();
    let target = RestoreTarget {
        database,
        url: db.url.clone(),
        data: data.to_owned(),
        keys: KeySource::File(data.join("master-key")),
        spawner: Spawner::start().unwrap(),
    };
    restore(&target, file, passphrase, replace).await
}

/// Every row of every table as text, sorted, and the state of every sequence.
async fn rows(client: &Client) -> BTreeMap<String, Vec<String>> {
    let tables = "
        select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = relnamespace
        where nspname = 'public' and relkind = 'r'";
    let mut found = BTreeMap::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let all = format!("select t::text from {table} t order by 1");
        let all = client.query(&all, &[]).await.unwrap();
        found.insert(table, all.iter().map(|row| row.get(0)).collect());
    }
    let sequences =
        "select sequencename::text, last_value::text from pg_sequences where schemaname = 'public'";
    for sequence in client.query(sequences, &[]).await.unwrap() {
        let value: Option<String> = sequence.get(1);
        found.insert(sequence.get(0), vec![value.unwrap_or_default()]);
    }
    found
}

/// What tables, indexes, constraints, triggers and functions there are, and how they are defined.
async fn definitions(client: &Client) -> Vec<String> {
    let all = "
        select format('%s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull)
            || coalesce(pg_get_expr(adbin, adrelid), '')
        from pg_attribute join pg_class c on c.oid = attrelid left join pg_attrdef on adrelid = attrelid and adnum = attnum
        where relnamespace = 'public'::regnamespace and attnum > 0 and relkind in ('r', 'p')
        union all select c.oid::regclass || coalesce(pg_get_expr(relpartbound, c.oid), '') || coalesce(pg_get_partkeydef(c.oid), '') || coalesce(reloptions::text, '')
        from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        union all select pg_get_indexdef(indexrelid) from pg_index join pg_class c on c.oid = indrelid
        where relnamespace = 'public'::regnamespace
        union all select conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'public'::regnamespace
        union all select pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = tgrelid
        where relnamespace = 'public'::regnamespace and not tgisinternal
        union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
        union all select coalesce(obj_description(c.oid, 'pg_class'), '') from pg_class c
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        order by 1";
    let rows = client.query(all, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The packages by their paths, as digests of their bytes.
fn packages(data: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for folder in std::fs::read_dir(data.join("archives")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let digest = hex::encode(Sha256::digest(std::fs::read(&path).unwrap()));
            found.insert(path.strip_prefix(data).unwrap().to_owned(), digest);
        }
    }
    found
}

/// The restored system's variable opens with the restored key.
async fn key_opens(db: &TestDatabase, data: &Path) {
    let source = KeySource::File(data.join("master-key"));
    assert!(Keys::exist(&source).unwrap());
    let keys = Keys::load(source).unwrap();
    let database = Database::new(&DatabaseConfig::new(db.url.clone())).unwrap();
    establish_keys(&database, &keys).await.unwrap();
}

/// That a version refers to a package is what keeps it.
fn publish_store(db: &TestDatabase) -> PublishStore {
    PublishStore::new(db.database.clone())
}
