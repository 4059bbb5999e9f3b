//! Secrets of Jobber's own, sealed as jobs' variables are: what the addresses of asynchronous calls are made with, and what a job's
//! callbacks are signed with.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use deadpool_postgres::Transaction;
use jobber_actors::domain::JobId;
use rand::RngCore;
use secrecy::SecretString;
use tokio_postgres::error::SqlState;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::database::Database;
use super::durable_queue::milliseconds;
use super::environment::ACTIVE_KEY;
use super::error::DatabaseError;
use crate::sealing::{KeyId, Keys, Subject};

/// What the addresses of asynchronous calls are made with, by all servers of the database.
const LOCATIONS: &str = "call-locations";
/// What a job's callbacks are signed with.
const CALLBACKS: &str = "callbacks";
/// What they were signed with before.
const FORMER_CALLBACKS: &str = "callbacks-former";
/// How a secret of the Standard Webhooks scheme begins.
const WEBHOOK_MARK: &str = "whsec_";
const SECRET_BYTES: usize = 32;

const FIND: &str = "
    select sealed, created_at, valid_until from secrets
    where scope = $1 and name = $2 and (valid_until is null or valid_until > now())";
const ADD: &str =
    "insert into secrets (job_id, name, sealed) values ($1, $2, $3) on conflict (scope, name) do nothing";
const REPLACE: &str = "
    insert into secrets (job_id, name, sealed, valid_until)
    values ($1, $2, $3, now() + $4::bigint * interval '1 millisecond')
    on conflict (scope, name) do update
        set sealed = excluded.sealed, valid_until = excluded.valid_until, created_at = now()";
/// One rotation of a job at a time.
const LOCK: &str = "select sealed from secrets where scope = $1 and name = $2 for update";

/// What a job's callbacks are signed with.
#[derive(Debug)]
pub struct CallbackSecrets {
    /// The secret that is in force, `whsec_` and base64.
    pub current: SecretString,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// The one before, and until when callbacks are signed with it, too.
    pub former: Option<(SecretString, DateTime<Utc>)>,
}

/// The secrets in a database.
#[derive(Clone, Debug)]
pub struct SecretStore {
    database: Database,
    keys: Arc<Keys>,
}

/// A secret that was opened.
struct Opened {
    value: SecretString,
    created: DateTime<Utc>,
    valid_until: Option<DateTime<Utc>>,
}

impl SecretStore {
    /// The secrets in this database, sealed with these keys.
    #[must_use]
    pub fn new(database: Database, keys: Arc<Keys>) -> Self {
        Self { database, keys }
    }

    /// What the addresses of asynchronous calls are made with. The first server that asks makes it.
    ///
    /// # Errors
    /// [`DatabaseError`], also where it does not open.
    pub async fn locations(&self) -> Result<SecretString, DatabaseError> {
        Ok(self.ensure(None, LOCATIONS).await?.value)
    }

    /// What a job's callbacks are signed with. Whoever asks first makes it. `None` if there is no such job.
    ///
    /// # Errors
    /// [`DatabaseError`], also where it does not open.
    pub async fn callbacks(&self, job: JobId) -> Result<Option<CallbackSecrets>, DatabaseError> {
        let current = match self.ensure(Some(job), CALLBACKS).await {
            Err(error) if error.sql_state() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => return Ok(None),
            ensured => ensured?,
        };
        let former = self.find(Some(job), FORMER_CALLBACKS).await?;
        Ok(Some(CallbackSecrets {
            current: current.value,
            created: current.created,
            former: former.and_then(|former| Some((former.value, former.valid_until?))),
        }))
    }

    /// Gives a job's callbacks another secret. For `overlap` they are signed with the former one, too. `false` if there is no such
    /// job.
    ///
    /// # Errors
    /// [`DatabaseError`]; then nothing is changed.
    pub async fn rotate_callbacks(&self, job: JobId, overlap: Duration) -> Result<bool, DatabaseError> {
        if self.callbacks(job).await?.is_none() {
            return Ok(false);
        }
        let scope = scope(Some(job));
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let Some(row) = transaction.query_opt(LOCK, &[&scope, &CALLBACKS]).await? else {
            return Ok(false);
        };
        let former = self.open(Some(job), CALLBACKS, row.get("sealed"))?;
        let lasts = Some(milliseconds(overlap));
        let none: Option<i64> = None;
        let sealed = self
            .seal(&transaction, Some(job), FORMER_CALLBACKS, &former)
            .await?;
        transaction
            .execute(REPLACE, &[job.as_uuid(), &FORMER_CALLBACKS, &sealed, &lasts])
            .await?;
        let sealed = self.seal(&transaction, Some(job), CALLBACKS, &generate()).await?;
        transaction
            .execute(REPLACE, &[job.as_uuid(), &CALLBACKS, &sealed, &none])
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn ensure(&self, job: Option<JobId>, name: &str) -> Result<Opened, DatabaseError> {
        if let Some(found) = self.find(job, name).await? {
            return Ok(found);
        }
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let sealed = self.seal(&transaction, job, name, &generate()).await?;
        let id = job.as_ref().map(JobId::as_uuid);
        transaction.execute(ADD, &[&id, &name, &sealed]).await?;
        transaction.commit().await?;
        drop(client);
        // Another server may have been first.
        let missing = || DatabaseError::Unexpected(format!("the secret {name} is gone"));
        self.find(job, name).await?.ok_or_else(missing)
    }

    async fn find(&self, job: Option<JobId>, name: &str) -> Result<Option<Opened>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIND).await?;
        let row = client.query_opt(&statement, &[&scope(job), &name]).await?;
        let open = |row: tokio_postgres::Row| {
            Ok(Opened {
                value: self.open(job, name, row.get("sealed"))?,
                created: row.get("created_at"),
                valid_until: row.get("valid_until"),
            })
        };
        row.map(open).transpose()
    }

    fn open(&self, job: Option<JobId>, name: &str, sealed: &[u8]) -> Result<SecretString, DatabaseError> {
        let subject = Subject {
            job: scope(job).into(),
            name,
        };
        let wrong = |error| DatabaseError::Unexpected(format!("the secret {name}: {error}"));
        self.keys.open(subject, sealed).map_err(wrong)
    }

    async fn seal(
        &self,
        transaction: &Transaction<'_>,
        job: Option<JobId>,
        name: &str,
        value: &SecretString,
    ) -> Result<Vec<u8>, DatabaseError> {
        let active = transaction.query_opt(ACTIVE_KEY, &[]).await?;
        let active = active.and_then(|row| KeyId::from_bytes(row.get("key_id")));
        let key = active.unwrap_or_else(|| self.keys.ring().active());
        let subject = Subject {
            job: scope(job).into(),
            name,
        };
        let wrong =
            |error| DatabaseError::Unexpected(format!("the secret {name} can not be sealed: {error}"));
        self.keys.seal(key, subject, value).map_err(wrong)
    }
}

/// Whose a secret is; the nil id stands for no job.
fn scope(job: Option<JobId>) -> Uuid {
    job.map_or_else(Uuid::nil, |job| *job.as_uuid())
}

fn generate() -> SecretString {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    rand::rng().fill_bytes(bytes.as_mut_slice());
    format!("{WEBHOOK_MARK}{}", STANDARD.encode(bytes.as_slice())).into()
}
