//! Jobs' variables.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jobber_actors::domain::JobId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use utoipa::ToSchema;

use super::database::Database;
use super::error::DatabaseError;
use super::listing::{self, Column, Listing, Order, Page, Sort};
use crate::sealing::{KeyId, Keys, Subject};

/// `$2` is a kind; null means both.
const LIST: &str = "
    select name, kind, sealed, value, updated_at from environment_variables
    where job_id = $1 and ($2::text is null or kind = $2)";
const SET: &str = "
    insert into environment_variables (job_id, name, kind, sealed, bytes)
    select $1, $2, $3, $4, $5::integer
    where (select coalesce(sum(octet_length(name) + coalesce(bytes, octet_length(value))), 0)
           from environment_variables where job_id = $1 and name <> $2)
          + octet_length($2::text) + $5::integer <= $6
      and (select count(*) from environment_variables where job_id = $1 and name <> $2) < $7
    on conflict (job_id, name) do update
        set kind = excluded.kind, sealed = excluded.sealed, bytes = excluded.bytes, value = null, updated_at = now()";
/// The key that values are sealed with now. A rotation waits for whoever is about to use it.
pub(super) const ACTIVE_KEY: &str = "select key_id from master_key for share";
const REMOVE: &str = "delete from environment_variables where job_id = $1 and name = $2";

/// Most bytes of all names and values of a job. What a runner gets of them fits into one frame, however they are escaped.
pub const MAX_ENVIRONMENT_BYTES: usize = 128 << 10;

/// Most variables of a job.
pub const MAX_VARIABLES: i64 = 2_000;

/// What setting a variable came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableSet {
    /// It is set.
    Done,
    /// There is no such job.
    NoJob,
    /// The job's variables would have more than [`MAX_ENVIRONMENT_BYTES`], or there would be more than [`MAX_VARIABLES`].
    Full,
}

/// Whether a variable's value may be shown again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VariableKind {
    /// It may.
    Text,
    /// Never.
    Secret,
}

/// In which order variables are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum VariableSort {
    /// By name.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// By name, backwards.
    #[serde(rename = "-name")]
    NameDescending,
}

impl Sort for VariableSort {
    fn order(self) -> Order {
        const BY_NAME: [Column; 1] = [Column::text("name", "name")];
        match self {
            Self::Name => Order::ascending(&BY_NAME),
            Self::NameDescending => Order::descending(&BY_NAME),
        }
    }
}

impl VariableKind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Secret => "secret",
        }
    }
}

/// A variable as the API may show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StoredVariable {
    /// Upper-cased.
    pub name: String,
    /// Whether it is a secret.
    #[serde(rename = "type")]
    pub kind: VariableKind,
    /// The value of a text; absent for a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When it was last set.
    pub updated: DateTime<Utc>,
}

/// The variables of jobs. They are sealed.
#[derive(Clone, Debug)]
pub struct EnvironmentStore {
    database: Database,
    keys: Arc<Keys>,
}

impl EnvironmentStore {
    /// The variables in this database.
    #[must_use]
    pub fn new(database: Database, keys: Arc<Keys>) -> Self {
        Self { database, keys }
    }

    /// A job's variables, of one kind or of both, without secrets' values.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        job: JobId,
        kind: Option<VariableKind>,
        listing: &Listing<VariableSort>,
    ) -> Result<Page<StoredVariable>, DatabaseError> {
        let kind = kind.map(VariableKind::name);
        let variable = |row: &Row| {
            let kind = match row.get("kind") {
                "text" => VariableKind::Text,
                _ => VariableKind::Secret,
            };
            let name: String = row.get("name");
            let value = match kind {
                VariableKind::Text => Some(open(&self.keys, job, &name, row)?),
                VariableKind::Secret => None,
            };
            Ok(StoredVariable {
                value: value.map(|value| value.expose_secret().to_owned()),
                name,
                kind,
                updated: row.get("updated_at"),
            })
        };
        let conditions: [&(dyn ToSql + Sync); 2] = [job.as_uuid(), &kind];
        listing::page(&self.database, LIST, &conditions, listing, variable).await
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn set(
        &self,
        job: JobId,
        name: &str,
        kind: VariableKind,
        value: &SecretString,
    ) -> Result<VariableSet, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let statement = transaction.prepare_cached(SET).await?;
        let kind = kind.name();
        let most = i64::try_from(MAX_ENVIRONMENT_BYTES).unwrap_or(i64::MAX);
        let bytes = i32::try_from(value.expose_secret().len()).unwrap_or(i32::MAX);
        let active = transaction.query_opt(ACTIVE_KEY, &[]).await?;
        let active = active.and_then(|row| KeyId::from_bytes(row.get("key_id")));
        let key = active.unwrap_or_else(|| self.keys.ring().active());
        let sealed = self
            .keys
            .seal(key, Subject { job, name }, value)
            .map_err(|error| DatabaseError::Unexpected(format!("a variable can not be sealed: {error}")))?;
        match transaction
            .execute(
                &statement,
                &[
                    job.as_uuid(),
                    &name,
                    &kind,
                    &sealed,
                    &bytes,
                    &most,
                    &MAX_VARIABLES,
                ],
            )
            .await
        {
            Ok(0) => Ok(VariableSet::Full),
            Ok(_) => {
                transaction.commit().await?;
                Ok(VariableSet::Done)
            }
            Err(error) if error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) => Ok(VariableSet::NoJob),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a variable. `false` if it was not there.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn remove(&self, job: JobId, name: &str) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(REMOVE).await?;
        Ok(client.execute(&statement, &[job.as_uuid(), &name]).await? > 0)
    }
}

/// Opens a stored variable.
///
/// # Errors
/// [`DatabaseError::Unexpected`], which names it.
pub(super) fn open(keys: &Keys, job: JobId, name: &str, row: &Row) -> Result<SecretString, DatabaseError> {
    let Some(sealed) = row.get::<_, Option<&[u8]>>("sealed") else {
        // Written by a server of an earlier version; the next start seals it.
        return Ok(SecretString::from(row.get::<_, String>("value")));
    };
    let subject = Subject { job, name };
    keys.open(subject, sealed)
        .map_err(|error| DatabaseError::Unexpected(format!("the variable {name} of the job {job}: {error}")))
}
