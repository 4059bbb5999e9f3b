//! The keys that the database's variables are sealed with: whether this server has them, and changing them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use secrecy::SecretString;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;
use crate::sealing::{KeyId, KeyRing, Keys, OpenError, Subject};

/// Taken by whoever looks which key the database has, so that servers that start together agree on one.
const KEY_LOCK: i64 = 0x006a_6f62_6b65_7973;
const LOCK: &str = "select pg_advisory_xact_lock($1)";
const ACTIVE: &str = "select key_id from master_key";
const SET_ACTIVE: &str = "
    insert into master_key (key_id) values ($1)
    on conflict (singleton) do update set key_id = excluded.key_id, created_at = now()";
const IN_USE: &str = "
    select substr(sealed, 2, 8) as key_id, count(*) as variables
    from (select sealed from environment_variables where sealed is not null union all select sealed from secrets) values
    group by 1 order by 1";
const PLAIN: &str = "
    select job_id, name, value from environment_variables where value is not null
    order by job_id, name limit $1 for update skip locked";
const SEAL_PLAIN: &str = "
    update environment_variables set sealed = $3, bytes = octet_length(value), value = null
    where job_id = $1 and name = $2 and value is not null";
/// How the sealed values of a table are changed.
struct Table {
    /// What is not sealed with this key, after a place in the order of jobs and names.
    others: &'static str,
    /// A value that was changed meanwhile stays as it is.
    reseal: &'static str,
    /// A value that was changed meanwhile stays.
    discard: &'static str,
}

const TABLES: [Table; 2] = [
    Table {
        others: "
            select job_id, v.name, sealed, j.name as job from environment_variables v join jobs j on j.id = job_id
            where substr(sealed, 2, 8) <> $1 and (job_id, v.name) > ($2, $3)
            order by job_id, v.name limit $4",
        reseal: "update environment_variables set sealed = $4 where job_id = $1 and name = $2 and sealed = $3",
        discard: "delete from environment_variables where job_id = $1 and name = $2 and sealed = $3",
    },
    Table {
        others: "
            select scope as job_id, s.name, sealed, coalesce(j.name, '(none)') as job
            from secrets s left join jobs j on j.id = s.job_id
            where substr(sealed, 2, 8) <> $1 and (scope, s.name) > ($2, $3)
            order by scope, s.name limit $4",
        reseal: "update secrets set sealed = $4 where scope = $1 and name = $2 and sealed = $3",
        discard: "delete from secrets where scope = $1 and name = $2 and sealed = $3",
    },
];
/// Texts in clear stay in the table's file until it is written anew.
const CLEAR_UP: &str = "vacuum full environment_variables";
/// Rows of one transaction.
const BATCH: i64 = 500;

/// Why the variables can not be used with this server's keys.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// Postgres is out of reach.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database belongs to another key.
    #[error(
        "the variables in the database are sealed with the key {0}, which this server does not have: give it that key \
         (JOBBER_MASTER_KEY, or the file master-key of the data directory that the database was used with)"
    )]
    OtherKey(KeyId),
    /// Some values have keys that are not there.
    #[error("{} sealed with keys that this server does not have: put them behind the first one", told(.0))]
    MissingKeys(Vec<(KeyId, i64)>),
}

impl From<tokio_postgres::Error> for SealedError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

fn told(keys: &[(KeyId, i64)]) -> String {
    let mut text = String::new();
    for (index, (key, variables)) in keys.iter().enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        // Writing to a String does not fail.
        let _ = write!(text, "{separator}{variables} variables with the key {key}");
    }
    text + " are"
}

/// What re-sealing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// Variables that have the first key now and had another.
    pub values: u64,
    /// The first key.
    pub active: KeyId,
    /// Keys of the ring that nothing in the database needs any more.
    pub unused: Vec<KeyId>,
    /// What does not open, and is as it was.
    pub unopened: Vec<Unopened>,
}

/// A variable that does not open with the ring's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// The name of the job whose it is.
    pub job: String,
    /// The variable.
    pub name: String,
    /// The key that it is sealed with, if it says so.
    pub key: Option<KeyId>,
    /// Why it does not open.
    pub error: OpenError,
    id: Uuid,
    sealed: Vec<u8>,
}

/// Refuses a database that was used with some key, on behalf of a server that has none yet: one that it made now would be
/// of no use.
///
/// # Errors
/// [`SealedError`], which names the keys that are needed.
pub async fn require_no_key(database: &Database) -> Result<(), SealedError> {
    let client = database.client().await?;
    if let Some(row) = client.query_opt(ACTIVE, &[]).await? {
        return Err(SealedError::OtherKey(key_id(row.get("key_id"))?));
    }
    drop(client);
    let needed = in_use(database).await?;
    if needed.is_empty() {
        Ok(())
    } else {
        Err(SealedError::MissingKeys(needed))
    }
}

/// Sees to it that this server can open all variables, and seals those that an earlier version left in clear. Gives how many
/// those were.
///
/// # Errors
/// [`SealedError`]; then this server must not go on.
pub async fn establish_keys(database: &Database, keys: &Keys) -> Result<u64, SealedError> {
    let ring = keys.ring();
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    transaction.execute(LOCK, &[&KEY_LOCK]).await?;
    match transaction.query_opt(ACTIVE, &[]).await? {
        None => {
            transaction
                .execute(SET_ACTIVE, &[&ring.active().as_bytes()])
                .await?;
        }
        Some(row) => {
            let active = key_id(row.get("key_id"))?;
            if !ring.ids().any(|id| id == active) {
                return Err(SealedError::OtherKey(active));
            }
        }
    }
    transaction.commit().await?;
    drop(client);
    let known: BTreeSet<KeyId> = ring.ids().collect();
    let missing: Vec<_> = in_use(database)
        .await?
        .into_iter()
        .filter(|(key, _)| !known.contains(key))
        .collect();
    if !missing.is_empty() {
        return Err(SealedError::MissingKeys(missing));
    }
    seal_plain(database, keys).await
}

async fn seal_plain(database: &Database, keys: &Keys) -> Result<u64, SealedError> {
    let ring = keys.ring();
    let mut sealed = 0;
    loop {
        let mut client = database.client().await?;
        let transaction = client.transaction().await?;
        let rows = transaction.query(PLAIN, &[&BATCH]).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let (job, name): (Uuid, String) = (row.get("job_id"), row.get("name"));
            let value = SecretString::from(row.get::<_, String>("value"));
            let subject = Subject {
                job: job.into(),
                name: &name,
            };
            sealed += transaction
                .execute(SEAL_PLAIN, &[&job, &name, &ring.seal(subject, &value)])
                .await?;
        }
        transaction.commit().await?;
    }
    if sealed > 0 {
        // What is sealed is sealed: the server goes on, and somebody has to know.
        if let Err(error) = database.client().await?.batch_execute(CLEAR_UP).await {
            let error = DatabaseError::from(error);
            tracing::warn!(%error, "the table of variables still holds texts in clear; run: {CLEAR_UP}");
        }
    }
    Ok(sealed)
}

/// Seals everything that opens with the first key of the ring, and tells what does not open.
///
/// # Errors
/// [`SealedError`]; what is done stays done, and all of it opens with the ring's keys.
pub async fn reseal(database: &Database, keys: &Keys) -> Result<Resealed, SealedError> {
    let ring = keys.ring();
    let active = ring.active();
    let client = database.client().await?;
    client.execute(SET_ACTIVE, &[&active.as_bytes()]).await?;
    drop(client);
    seal_plain(database, keys).await?;
    let (mut values, mut unopened) = (0, Vec::new());
    for table in &TABLES {
        values += reseal_table(database, keys, table, &mut unopened).await?;
    }
    let used: BTreeSet<KeyId> = in_use(database).await?.into_iter().map(|(key, _)| key).collect();
    Ok(Resealed {
        values,
        active,
        unused: ring
            .ids()
            .filter(|id| *id != active && !used.contains(id))
            .collect(),
        unopened,
    })
}

/// Gives how many values were sealed anew.
async fn reseal_table(
    database: &Database,
    keys: &Keys,
    table: &Table,
    unopened: &mut Vec<Unopened>,
) -> Result<u64, SealedError> {
    let ring = keys.ring();
    let active = ring.active();
    let client = database.client().await?;
    let mut resealed = 0;
    let (mut job, mut name) = (Uuid::nil(), String::new());
    loop {
        let rows = client
            .query(table.others, &[&active.as_bytes(), &job, &name, &BATCH])
            .await?;
        let Some(last) = rows.last() else { break };
        let place = (last.get("job_id"), last.get("name"));
        for row in &rows {
            let (job, name, sealed): (Uuid, &str, &[u8]) =
                (row.get("job_id"), row.get("name"), row.get("sealed"));
            let subject = Subject {
                job: job.into(),
                name,
            };
            let value = match keys.open(subject, sealed) {
                Ok(value) => value,
                Err(error) => {
                    unopened.push(Unopened {
                        job: row.get("job"),
                        name: name.to_owned(),
                        key: KeyRing::key_of(sealed).ok(),
                        error,
                        id: job,
                        sealed: sealed.to_owned(),
                    });
                    continue;
                }
            };
            resealed += client
                .execute(table.reseal, &[&job, &name, &sealed, &ring.seal(subject, &value)])
                .await?;
        }
        (job, name) = place;
    }
    Ok(resealed)
}

/// Removes variables that do not open, unless they were set anew meanwhile. Gives how many were removed.
///
/// # Errors
/// [`SealedError`]; what is removed is removed.
pub async fn discard(database: &Database, unopened: &[Unopened]) -> Result<u64, SealedError> {
    let client = database.client().await?;
    let mut removed = 0;
    for Unopened { id, name, sealed, .. } in unopened {
        // Names of variables are never those of Jobber's own secrets.
        for table in &TABLES {
            removed += client.execute(table.discard, &[id, name, sealed]).await?;
        }
    }
    Ok(removed)
}

async fn in_use(database: &Database) -> Result<Vec<(KeyId, i64)>, SealedError> {
    let client = database.client().await?;
    let rows = client.query(IN_USE, &[]).await?;
    rows.iter()
        .map(|row| Ok((key_id(row.get("key_id"))?, row.get("variables"))))
        .collect()
}

fn key_id(bytes: &[u8]) -> Result<KeyId, SealedError> {
    let unexpected = || DatabaseError::Unexpected("a key's id that is not of 8 bytes".to_owned());
    Ok(KeyId::from_bytes(bytes).ok_or_else(unexpected)?)
}
