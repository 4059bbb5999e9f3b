//! The record of every change: who, what, from where.

use chrono::{DateTime, Utc};
use jobber_actors::domain::{ApiTokenId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;
use super::listing::{self, Column, Listing, Order, Page, Sort};

const INSERT: &str = "
    insert into audit_log (user_id, username, token_id, address, action, resource, status, before, after)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
/// `$1` is a user, `$2` an action, `$3` how the resource begins, `$4` and `$5` when; null means all.
const LIST: &str = "
    select sequence, at, user_id, username, token_id, address, action, resource, status, before, after from audit_log
    where ($1::uuid is null or user_id = $1) and ($2::text is null or action = $2)
      and ($3::text is null or starts_with(resource, $3))
      and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at < $5)";

/// What somebody did, or tried.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Who; nobody for the instance's own token and for a login that failed.
    pub user: Option<UserId>,
    /// Their name, or the one that was tried.
    pub username: Option<String>,
    /// The token that they used.
    pub token: Option<ApiTokenId>,
    /// Where from.
    pub address: String,
    /// What, as method and route: `PUT /api/job/{job}`.
    pub action: String,
    /// With what: the path.
    pub resource: String,
    /// How it was answered.
    pub status: u16,
    /// What it was, without secrets.
    pub before: Option<Value>,
    /// What it is, without secrets.
    pub after: Option<Value>,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredAuditEntry {
    /// Its place in the order of all.
    pub sequence: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub user_id: Option<UserId>,
    /// Their name then.
    pub username: Option<String>,
    /// The token that they used.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub token_id: Option<ApiTokenId>,
    /// Where from.
    pub address: String,
    /// What.
    pub action: String,
    /// With what.
    pub resource: String,
    /// How it was answered.
    pub status: i16,
    /// What it was.
    pub before: Option<Value>,
    /// What it became.
    pub after: Option<Value>,
}

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// What one user did.
    pub user: Option<UserId>,
    /// What was done, as method and route.
    pub action: Option<String>,
    /// How the path begins that it was done with.
    pub resource: Option<String>,
    /// At this moment or later.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// In which order entries are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum AuditSort {
    /// The oldest first.
    #[serde(rename = "at")]
    At,
    /// The newest first.
    #[default]
    #[serde(rename = "-at")]
    AtDescending,
}

impl Sort for AuditSort {
    fn order(self) -> Order {
        const BY_SEQUENCE: [Column; 1] = [Column::number("sequence", "sequence")];
        match self {
            Self::At => Order::ascending(&BY_SEQUENCE),
            Self::AtDescending => Order::descending(&BY_SEQUENCE),
        }
    }
}

/// The record.
#[derive(Clone, Debug)]
pub struct AuditStore {
    database: Database,
}

impl AuditStore {
    /// The record in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn add(&self, entry: &AuditEntry) -> Result<(), DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(INSERT).await?;
        let (user, token) = (
            entry.user.map(|id| *id.as_uuid()),
            entry.token.map(|id| *id.as_uuid()),
        );
        client
            .execute(
                &statement,
                &[
                    &user,
                    &entry.username,
                    &token,
                    &entry.address,
                    &entry.action,
                    &entry.resource,
                    &i16::try_from(entry.status).unwrap_or(i16::MAX),
                    &entry.before,
                    &entry.after,
                ],
            )
            .await?;
        Ok(())
    }

    /// What was done.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        filter: &AuditFilter,
        listing: &Listing<AuditSort>,
    ) -> Result<Page<StoredAuditEntry>, DatabaseError> {
        let user = filter.user.map(|id| *id.as_uuid());
        let AuditFilter {
            action,
            resource,
            since,
            until,
            ..
        } = filter;
        listing::page(
            &self.database,
            LIST,
            &[&user, action, resource, since, until],
            listing,
            |row| Ok(entry_of(row)),
        )
        .await
    }
}

fn entry_of(row: &Row) -> StoredAuditEntry {
    StoredAuditEntry {
        sequence: row.get("sequence"),
        at: row.get("at"),
        user_id: row.get::<_, Option<Uuid>>("user_id").map(Into::into),
        username: row.get("username"),
        token_id: row.get::<_, Option<Uuid>>("token_id").map(Into::into),
        address: row.get("address"),
        action: row.get("action"),
        resource: row.get("resource"),
        status: row.get("status"),
        before: row.get("before"),
        after: row.get("after"),
    }
}
