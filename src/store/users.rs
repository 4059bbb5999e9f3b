//! Who may log in.

use chrono::{DateTime, Utc};
use deadpool_postgres::GenericClient;
use jobber_actors::domain::UserId;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, ToSql};
use utoipa::ToSchema;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;
use super::listing::{self, Column, Listing, Order, Page, Sort};
use crate::access::{PasswordHash, Permissions};

/// Taken by whoever changes users, so that two changes can not each leave the other's administrator as the last one.
const USERS_LOCK: i64 = 0x006a_6f62_7573_6572;
const LOCK: &str = "select pg_advisory_xact_lock($1)";
/// `$1` is whether they are enabled, `$2` a part of the name; null means all.
const LIST: &str = "
    select id, username, password_hash, permissions, enabled, created_at, updated_at, lower(username) as lower_username
    from users
    where ($1::boolean is null or enabled = $1)
      and ($2::text is null or position(lower($2) in lower(username)) > 0)";
const FIND: &str =
    "select id, username, password_hash, permissions, enabled, created_at, updated_at from users
    where id = $1 or (lower(username) = lower($2) and $1 is null)";
const INSERT: &str = "
    insert into users (id, username, password_hash, permissions, enabled) values ($1, $2, $3, $4, $5)
    returning id, username, password_hash, permissions, enabled, created_at, updated_at";
const UPDATE: &str = "
    update users set username = $2, password_hash = $3, permissions = $4, enabled = $5, updated_at = now()
    where id = $1
    returning id, username, password_hash, permissions, enabled, created_at, updated_at";
/// Whoever has ever signed in stays in the audit log, also when their sessions are over.
const FIRST_SIGN_IN_DUE: &str = "
    select exists (select from users) and not exists (select from users offset 1)
       and not exists (select from users where updated_at > created_at) and not exists (select from sessions)
       and not exists (select from audit_log where user_id is not null)";
const REMOVE: &str = "delete from users where id = $1";
const END_SESSIONS: &str = "delete from sessions where user_id = $1 and id is distinct from $2";
const ENABLED_PERMISSIONS: &str = "select permissions from users where enabled";
const NAME: Column = Column::text("lower_username", "lower(username)");
const CREATED: Column = Column::time("created_at", "created_at");
const ID: Column = Column::id("id", "id");

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredUser {
    /// The id.
    #[schema(value_type = uuid::Uuid)]
    pub id: UserId,
    /// What they log in with.
    pub username: String,
    /// Never shown.
    #[serde(skip)]
    pub password: PasswordHash,
    /// What they may do.
    pub permissions: Permissions,
    /// Whether they may do anything at all.
    pub enabled: bool,
    /// When they were made.
    pub created: DateTime<Utc>,
    /// When they were last changed.
    pub updated: DateTime<Utc>,
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// What they log in with.
    pub username: String,
    /// Their password's hash.
    pub password: PasswordHash,
    /// What they may do.
    pub permissions: Permissions,
    /// Whether they may do anything at all.
    pub enabled: bool,
}

/// What is to be changed of a user.
#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    /// Another name.
    pub username: Option<String>,
    /// Another password.
    pub password: Option<PasswordHash>,
    /// Other permissions.
    pub permissions: Option<Permissions>,
    /// Enabled or disabled.
    pub enabled: Option<bool>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// What the user was and is.
    Done {
        /// Before.
        before: Box<StoredUser>,
        /// After; nothing if the user was removed.
        after: Option<Box<StoredUser>>,
    },
    /// There is no such user.
    Gone,
    /// Somebody else has the name.
    NameTaken,
    /// Nobody would be left who may do everything.
    LastAdministrator,
}

/// Which users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Those who may do something, or those who may not.
    pub enabled: Option<bool>,
    /// Those with this in their name, in whatever case.
    pub search: Option<String>,
}

/// In which order users are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum UserSort {
    /// By name.
    #[default]
    #[serde(rename = "username")]
    Username,
    /// By name, backwards.
    #[serde(rename = "-username")]
    UsernameDescending,
    /// The oldest first.
    #[serde(rename = "created")]
    Created,
    /// The newest first.
    #[serde(rename = "-created")]
    CreatedDescending,
}

impl Sort for UserSort {
    fn order(self) -> Order {
        const BY_NAME: [Column; 2] = [NAME, ID];
        const BY_CREATION: [Column; 2] = [CREATED, ID];
        match self {
            Self::Username => Order::ascending(&BY_NAME),
            Self::UsernameDescending => Order::descending(&BY_NAME),
            Self::Created => Order::ascending(&BY_CREATION),
            Self::CreatedDescending => Order::descending(&BY_CREATION),
        }
    }
}

/// The users.
#[derive(Clone, Debug)]
pub struct UserStore {
    database: Database,
}

impl UserStore {
    /// The users in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Users.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        filter: &UserFilter,
        listing: &Listing<UserSort>,
    ) -> Result<Page<StoredUser>, DatabaseError> {
        let conditions: [&(dyn ToSql + Sync); 2] = [&filter.enabled, &filter.search];
        listing::page(&self.database, LIST, &conditions, listing, user_of).await
    }

    /// The user with this id.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(&self, id: UserId) -> Result<Option<StoredUser>, DatabaseError> {
        let client = self.database.client().await?;
        find(&client, Some(id), "").await
    }

    /// The user with this name, in whatever case.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find_by_name(&self, username: &str) -> Result<Option<StoredUser>, DatabaseError> {
        let client = self.database.client().await?;
        find(&client, None, username).await
    }

    /// Makes a user; `None` if the name is taken.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn insert(&self, user: &NewUser) -> Result<Option<StoredUser>, DatabaseError> {
        let client = self.database.client().await?;
        insert(&client, user).await
    }

    /// Whether there is only the user that the first start made, as it made them, and nobody has ever signed in.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn first_sign_in_due(&self) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIRST_SIGN_IN_DUE).await?;
        Ok(client.query_one(&statement, &[]).await?.get(0))
    }

    /// Makes the first user, if there is none at all. `None` if there is one.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn insert_first(&self, user: &NewUser) -> Result<Option<StoredUser>, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        transaction.execute(LOCK, &[&USERS_LOCK]).await?;
        if transaction
            .query_opt("select from users limit 1", &[])
            .await?
            .is_some()
        {
            return Ok(None);
        }
        let inserted = insert(&transaction, user).await?;
        transaction.commit().await?;
        Ok(inserted)
    }

    /// Whether there is any user.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn any(&self) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        Ok(client
            .query_opt("select from users limit 1", &[])
            .await?
            .is_some())
    }

    /// Changes a user. Other permissions or another password end their sessions, but for the one that `keep` names.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn update(
        &self,
        id: UserId,
        patch: UserPatch,
        keep: Option<Uuid>,
    ) -> Result<UserChange, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        transaction.execute(LOCK, &[&USERS_LOCK]).await?;
        let Some(before) = find(&transaction, Some(id), "").await? else {
            return Ok(UserChange::Gone);
        };
        let ends_sessions = patch.password.is_some() || patch.enabled == Some(false);
        let username = patch.username.unwrap_or_else(|| before.username.clone());
        let password = patch.password.unwrap_or_else(|| before.password.clone());
        let permissions = patch.permissions.unwrap_or_else(|| before.permissions.clone());
        let enabled = patch.enabled.unwrap_or(before.enabled);
        let updated = transaction
            .query_one(
                UPDATE,
                &[
                    id.as_uuid(),
                    &username,
                    &password.as_str(),
                    &Json(&permissions),
                    &enabled,
                ],
            )
            .await;
        let after = match updated {
            Ok(row) => user_of(&row)?,
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                return Ok(UserChange::NameTaken);
            }
            Err(error) => return Err(error.into()),
        };
        if is_administrator(&before) && !has_administrator(&transaction).await? {
            return Ok(UserChange::LastAdministrator);
        }
        if ends_sessions {
            transaction.execute(END_SESSIONS, &[id.as_uuid(), &keep]).await?;
        }
        transaction.commit().await?;
        Ok(UserChange::Done {
            before: Box::new(before),
            after: Some(Box::new(after)),
        })
    }

    /// Removes a user, with their sessions and tokens.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn remove(&self, id: UserId) -> Result<UserChange, DatabaseError> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        transaction.execute(LOCK, &[&USERS_LOCK]).await?;
        let Some(before) = find(&transaction, Some(id), "").await? else {
            return Ok(UserChange::Gone);
        };
        transaction.execute(REMOVE, &[id.as_uuid()]).await?;
        if is_administrator(&before) && !has_administrator(&transaction).await? {
            return Ok(UserChange::LastAdministrator);
        }
        transaction.commit().await?;
        Ok(UserChange::Done {
            before: Box::new(before),
            after: None,
        })
    }
}

fn is_administrator(user: &StoredUser) -> bool {
    user.enabled && user.permissions.cover(&Permissions::all())
}

async fn has_administrator(client: &impl GenericClient) -> Result<bool, DatabaseError> {
    for row in client.query(ENABLED_PERMISSIONS, &[]).await? {
        if permissions_of(&row)?.cover(&Permissions::all()) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn find(
    client: &impl GenericClient,
    id: Option<UserId>,
    username: &str,
) -> Result<Option<StoredUser>, DatabaseError> {
    let id = id.map(|id| *id.as_uuid());
    let statement = client.prepare_cached(FIND).await?;
    let row = client.query_opt(&statement, &[&id, &username]).await?;
    row.as_ref().map(user_of).transpose()
}

async fn insert(client: &impl GenericClient, user: &NewUser) -> Result<Option<StoredUser>, DatabaseError> {
    let inserted = client
        .query_one(
            INSERT,
            &[
                UserId::generate().as_uuid(),
                &user.username,
                &user.password.as_str(),
                &Json(&user.permissions),
                &user.enabled,
            ],
        )
        .await;
    match inserted {
        Ok(row) => user_of(&row).map(Some),
        Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn user_of(row: &Row) -> Result<StoredUser, DatabaseError> {
    Ok(StoredUser {
        id: row.get::<_, Uuid>("id").into(),
        username: row.get("username"),
        password: PasswordHash::stored(row.get("password_hash")),
        permissions: permissions_of(row)?,
        enabled: row.get("enabled"),
        created: row.get("created_at"),
        updated: row.get("updated_at"),
    })
}

/// The column `permissions` of a row.
pub(super) fn permissions_of(row: &Row) -> Result<Permissions, DatabaseError> {
    let Json(permissions) = row
        .try_get::<_, Json<Permissions>>("permissions")
        .map_err(|error| DatabaseError::Unexpected(format!("permissions that can not be read: {error}")))?;
    Ok(permissions)
}
