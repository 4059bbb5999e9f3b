//! Users' stays, from login to logout.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jobber_actors::domain::{SessionId, UserId};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;
use super::users::permissions_of;
use crate::access::{Principal, SecretHash, Who};

const INSERT: &str = "
    insert into sessions (id, user_id, hash, address, user_agent, expires_at)
    values ($1, $2, $3, $4, left($5, 512), now() + $6::bigint * interval '1 second')";
/// Who has this session. Its last use is written at most once a minute.
const FIND: &str = "
    with found as (
        select s.id, s.user_id, s.last_used_at, u.username, u.permissions
        from sessions s join users u on u.id = s.user_id
        where s.hash = $1 and s.expires_at > now() and s.last_used_at > now() - $2::bigint * interval '1 second'
              and u.enabled
    ), used as (
        update sessions set last_used_at = now()
        where id in (select id from found where last_used_at < now() - interval '1 minute')
    )
    select id, user_id, username, permissions from found";
const REMOVE: &str = "delete from sessions where user_id = $1 and id = $2";
const REMOVE_BY_SECRET: &str = "delete from sessions where hash = $1";
const LIST: &str = "
    select id, address, user_agent, created_at, last_used_at, expires_at from sessions
    where user_id = $1 and expires_at > now() order by created_at desc limit 100";
/// A user's sessions beyond the newest ones.
const REMOVE_SURPLUS: &str = "
    delete from sessions where id in (
        select id from sessions where user_id = $1 order by created_at desc offset $2)";
const PURGE: &str = "delete from sessions where expires_at < now()";

/// How long a session lasts at most.
pub const SESSION_TIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// It ends when it is not used for so long.
const SESSION_IDLE_TIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions of one user; the oldest end.
const MAX_SESSIONS: i64 = 50;

/// A session, as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredSession {
    /// The id, which is no secret.
    #[schema(value_type = uuid::Uuid)]
    pub id: SessionId,
    /// Where the login came from.
    pub address: String,
    /// What the browser called itself.
    pub user_agent: Option<String>,
    /// When it began.
    pub created: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires: DateTime<Utc>,
}

/// Where a login comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address.
    pub address: String,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
}

/// The sessions.
#[derive(Clone, Debug)]
pub struct SessionStore {
    database: Database,
}

impl SessionStore {
    /// The sessions in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Begins a session of a user.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn begin(
        &self,
        user: UserId,
        hash: &SecretHash,
        origin: &Origin,
    ) -> Result<SessionId, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        let id = SessionId::generate();
        let seconds = i64::try_from(SESSION_TIME.as_secs()).unwrap_or(i64::MAX);
        let Origin { address, user_agent } = origin;
        transaction
            .execute(
                INSERT,
                &[
                    id.as_uuid(),
                    user.as_uuid(),
                    &hash.as_bytes(),
                    address,
                    user_agent,
                    &seconds,
                ],
            )
            .await?;
        transaction
            .execute(REMOVE_SURPLUS, &[user.as_uuid(), &MAX_SESSIONS])
            .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Who has the session with this secret, if they are enabled and it is not over.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn principal(&self, hash: &SecretHash) -> Result<Option<Principal>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIND).await?;
        let idle = i64::try_from(SESSION_IDLE_TIME.as_secs()).unwrap_or(i64::MAX);
        let row = client.query_opt(&statement, &[&hash.as_bytes(), &idle]).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Principal {
            who: Who::User {
                user: row.get::<_, Uuid>("user_id").into(),
                name: row.get("username"),
                session: row.get::<_, Uuid>("id").into(),
            },
            permissions: permissions_of(&row)?,
            narrowed: None,
        }))
    }

    /// A user's sessions, the newest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(&self, user: UserId) -> Result<Vec<StoredSession>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(LIST).await?;
        let rows = client.query(&statement, &[user.as_uuid()]).await?;
        Ok(rows.iter().map(session_of).collect())
    }

    /// Ends a session. `false` if it was none of this user's.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn end(&self, user: UserId, session: SessionId) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(REMOVE).await?;
        let ended = client
            .execute(&statement, &[user.as_uuid(), session.as_uuid()])
            .await?;
        Ok(ended > 0)
    }

    /// Ends the session with this secret, if there is one.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn end_by_secret(&self, hash: &SecretHash) -> Result<(), DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(REMOVE_BY_SECRET).await?;
        client.execute(&statement, &[&hash.as_bytes()]).await?;
        Ok(())
    }

    /// Forgets the sessions that are over. Returns how many.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn purge(&self) -> Result<u64, DatabaseError> {
        let client = self.database.client().await?;
        Ok(client.execute(PURGE, &[]).await?)
    }
}

fn session_of(row: &Row) -> StoredSession {
    StoredSession {
        id: row.get::<_, Uuid>("id").into(),
        address: row.get("address"),
        user_agent: row.get("user_agent"),
        created: row.get("created_at"),
        last_used: row.get("last_used_at"),
        expires: row.get("expires_at"),
    }
}
