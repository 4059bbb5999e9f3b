//! What programs prove themselves with.

use chrono::{DateTime, Utc};
use jobber_actors::domain::{ApiTokenId, UserId};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::database::Database;
use super::error::DatabaseError;
use super::listing::{self, Column, Listing, Order, Page, Sort};
use super::users::permissions_of;
use crate::access::{Permissions, Principal, SecretHash, Who};

/// `$1` is a token's id, `$2` a user's, `$3` whether they are enabled; null means all.
const LIST: &str = "
    select t.id, t.user_id, u.username, t.description, t.prefix, t.permissions, t.enabled, t.expires_at, t.created_at,
           t.last_used_at
    from api_tokens t join users u on u.id = t.user_id
    where ($1::uuid is null or t.id = $1) and ($2::uuid is null or t.user_id = $2)
      and ($3::boolean is null or t.enabled = $3)";
const INSERT: &str = "
    insert into api_tokens (id, user_id, description, prefix, hash, permissions, enabled, expires_at)
    values ($1, $2, $3, $4, $5, $6, true, $7)";
const UPDATE: &str = "
    update api_tokens
    set description = coalesce($2, description), permissions = coalesce($3, permissions), enabled = coalesce($4, enabled),
        expires_at = case when $5 then $6 else expires_at end
    where id = $1";
const REMOVE: &str = "delete from api_tokens where id = $1";
/// Who has this token. Its last use is written at most once a minute.
const FIND: &str = "
    with found as (
        select t.id, t.user_id, t.last_used_at, u.username, t.permissions, u.permissions as user_permissions
        from api_tokens t join users u on u.id = t.user_id
        where t.hash = $1 and t.enabled and u.enabled and (t.expires_at is null or t.expires_at > now())
    ), used as (
        update api_tokens set last_used_at = now()
        where id in (select id from found
                     where last_used_at is null or last_used_at < now() - interval '1 minute')
    )
    select id, user_id, username, permissions, user_permissions from found";

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredApiToken {
    /// The id, which is no secret.
    #[schema(value_type = uuid::Uuid)]
    pub id: ApiTokenId,
    /// Whose it is.
    #[schema(value_type = uuid::Uuid)]
    pub user_id: UserId,
    /// Their name.
    pub username: String,
    /// What it is for.
    pub description: String,
    /// How it begins.
    pub prefix: String,
    /// What it may do, as far as its user may.
    pub permissions: Permissions,
    /// Whether it is of use.
    pub enabled: bool,
    /// When it ends; `None` is never.
    pub expires: Option<DateTime<Utc>>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used: Option<DateTime<Utc>>,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewApiToken {
    /// Whose it is.
    pub user: UserId,
    /// What it is for.
    pub description: String,
    /// How it begins.
    pub prefix: String,
    /// What is kept of it.
    pub hash: SecretHash,
    /// What it may do.
    pub permissions: Permissions,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
}

/// What is to be changed of a token.
#[derive(Clone, Debug, Default)]
pub struct ApiTokenPatch {
    /// Another description.
    pub description: Option<String>,
    /// Other permissions.
    pub permissions: Option<Permissions>,
    /// Enabled or disabled.
    pub enabled: Option<bool>,
    /// Another end, or none.
    pub expires: Option<Option<DateTime<Utc>>>,
}

/// Which tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApiTokenFilter {
    /// Those of one user.
    pub user: Option<UserId>,
    /// Those that are enabled, or those that are not.
    pub enabled: Option<bool>,
}

/// In which order tokens are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ApiTokenSort {
    /// The oldest first.
    #[default]
    #[serde(rename = "created")]
    Created,
    /// The newest first.
    #[serde(rename = "-created")]
    CreatedDescending,
}

impl Sort for ApiTokenSort {
    fn order(self) -> Order {
        const BY_CREATION: [Column; 2] = [
            Column::time("created_at", "t.created_at"),
            Column::id("id", "t.id"),
        ];
        match self {
            Self::Created => Order::ascending(&BY_CREATION),
            Self::CreatedDescending => Order::descending(&BY_CREATION),
        }
    }
}

/// The tokens.
#[derive(Clone, Debug)]
pub struct ApiTokenStore {
    database: Database,
}

impl ApiTokenStore {
    /// The tokens in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Users' tokens.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn list(
        &self,
        filter: ApiTokenFilter,
        listing: &Listing<ApiTokenSort>,
    ) -> Result<Page<StoredApiToken>, DatabaseError> {
        self.select(None, filter, listing).await
    }

    /// The token with this id.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn find(&self, id: ApiTokenId) -> Result<Option<StoredApiToken>, DatabaseError> {
        let found = self
            .select(Some(id), ApiTokenFilter::default(), &Listing::default())
            .await?;
        Ok(found.items.into_iter().next())
    }

    async fn select(
        &self,
        id: Option<ApiTokenId>,
        filter: ApiTokenFilter,
        listing: &Listing<ApiTokenSort>,
    ) -> Result<Page<StoredApiToken>, DatabaseError> {
        let (id, user) = (
            id.map(|id| *id.as_uuid()),
            filter.user.map(|user| *user.as_uuid()),
        );
        listing::page(
            &self.database,
            LIST,
            &[&id, &user, &filter.enabled],
            listing,
            token_of,
        )
        .await
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn insert(&self, token: &NewApiToken) -> Result<ApiTokenId, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(INSERT).await?;
        let id = ApiTokenId::generate();
        client
            .execute(
                &statement,
                &[
                    id.as_uuid(),
                    token.user.as_uuid(),
                    &token.description,
                    &token.prefix,
                    &token.hash.as_bytes(),
                    &Json(&token.permissions),
                    &token.expires,
                ],
            )
            .await?;
        Ok(id)
    }

    /// Changes a token. `false` if there is none.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn update(&self, id: ApiTokenId, patch: &ApiTokenPatch) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(UPDATE).await?;
        let changed = client
            .execute(
                &statement,
                &[
                    id.as_uuid(),
                    &patch.description,
                    &patch.permissions.as_ref().map(Json),
                    &patch.enabled,
                    &patch.expires.is_some(),
                    &patch.expires.flatten(),
                ],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Removes a token. `false` if there is none.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn remove(&self, id: ApiTokenId) -> Result<bool, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(REMOVE).await?;
        Ok(client.execute(&statement, &[id.as_uuid()]).await? > 0)
    }

    /// Who has this token, if it and its user are enabled and it is not over.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn principal(&self, hash: &SecretHash) -> Result<Option<Principal>, DatabaseError> {
        let client = self.database.client().await?;
        let statement = client.prepare_cached(FIND).await?;
        let Some(row) = client.query_opt(&statement, &[&hash.as_bytes()]).await? else {
            return Ok(None);
        };
        let Json(of_user) = row.get::<_, Json<Permissions>>("user_permissions");
        Ok(Some(Principal {
            who: Who::Token {
                user: row.get::<_, Uuid>("user_id").into(),
                name: row.get("username"),
                token: row.get::<_, Uuid>("id").into(),
            },
            permissions: of_user,
            narrowed: Some(permissions_of(&row)?),
        }))
    }
}

fn token_of(row: &Row) -> Result<StoredApiToken, DatabaseError> {
    Ok(StoredApiToken {
        id: row.get::<_, Uuid>("id").into(),
        user_id: row.get::<_, Uuid>("user_id").into(),
        username: row.get("username"),
        description: row.get("description"),
        prefix: row.get("prefix"),
        permissions: permissions_of(row)?,
        enabled: row.get("enabled"),
        expires: row.get("expires_at"),
        created: row.get("created_at"),
        last_used: row.get("last_used_at"),
    })
}
