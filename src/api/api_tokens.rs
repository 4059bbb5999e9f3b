//! What programs prove themselves with.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use jobber_actors::domain::{ApiTokenId, UserId};
use secrecy::ExposeSecret;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{Access, Change, note_change};
use super::input::{Body, Query, moment};
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::reply::{self, Data, Done, PageOf};
use super::state::ApiState;
use super::users::may_give;
use crate::access::{Action, Permissions, Resource, SecretHash, new_api_token};
use crate::store::{ApiTokenFilter, ApiTokenPatch, ApiTokenSort, NewApiToken, StoredApiToken};

type State = web::Data<ApiState>;
type Reply = Result<HttpResponse, ApiError>;

const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ApiTokenCreation)]
pub(super) struct Creation {
    #[serde(default)]
    #[schema(max_length = 1024, pattern = r"^[^\u0000]*$")]
    description: String,
    /// Whose it is to be; whoever asks, unless it is said.
    #[schema(value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    permissions: Permissions,
    #[serde(default, deserialize_with = "moment")]
    expires: Option<DateTime<Utc>>,
}

/// What is to be changed of a token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ApiTokenUpdate)]
pub(super) struct Update {
    #[schema(max_length = 1024, pattern = r"^[^\u0000]*$")]
    description: Option<String>,
    permissions: Option<Permissions>,
    enabled: Option<bool>,
    /// `null` is never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires: Option<Option<DateTime<Utc>>>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    moment(deserializer).map(Some)
}

/// Which tokens, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those of one user.
    #[param(value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    /// Those that are enabled, or those that are not.
    enabled: Option<bool>,
    #[param(inline)]
    sort: Option<ApiTokenSort>,
}

/// A token with its secret: shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiToken)]
struct Shown<'a> {
    #[serde(flatten)]
    stored: StoredApiToken,
    token: &'a str,
}

fn resource(token: ApiTokenId) -> Resource {
    Resource::of("api-tokens").below(token)
}

/// The tokens that one may see.
#[utoipa::path(
    get, path = "/api/api-tokens", operation_id = "listApiTokens",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<StoredApiToken>)),
)]
pub(super) async fn list(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let filter = ApiTokenFilter {
        user: filter.user_id,
        enabled: filter.enabled,
    };
    let tokens = state.api_tokens.list(filter, &listing).await?;
    let may_see = |token: &StoredApiToken| access.may(Action::Read, &resource(token.id));
    Ok(paging::visible(tokens, listing.sort, may_see))
}

/// A token, without its secret.
#[utoipa::path(
    get, path = "/api/api-tokens/{token}", operation_id = "getApiToken",
    responses((status = 200, body = Data<StoredApiToken>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "api-tokens/{token}"}))),
)]
pub(super) async fn get(state: State, access: Access, id: web::Path<ApiTokenId>) -> Reply {
    access.require(Action::Read, &resource(*id))?;
    Ok(reply::data(find(&state, *id).await?))
}

async fn find(state: &ApiState, id: ApiTokenId) -> Result<StoredApiToken, ApiError> {
    state.api_tokens.find(id).await?.ok_or_else(|| no_token(id))
}

fn no_token(id: ApiTokenId) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "token-not-found",
        format!("there is no token {id}"),
    )
}

/// Makes a token. Its secret is shown this once.
#[utoipa::path(
    post, path = "/api/api-tokens", operation_id = "createApiToken",
    request_body = Creation,
    responses((status = 201, body = Data<Shown<'static>>), (status = 409), (status = 422)),
    extensions(("x-permission" = json!({"action": "write", "resource": "api-tokens"}))),
)]
pub(super) async fn create(
    state: State,
    access: Access,
    request: HttpRequest,
    Body(creation): Body<Creation>,
) -> Reply {
    access.require(Action::Write, &Resource::of("api-tokens"))?;
    let Creation {
        description,
        user_id,
        permissions,
        expires,
    } = creation;
    may_give(&access, &permissions)?;
    let user = match user_id.or(access.0.user()) {
        Some(user) => user,
        None => return Err(ApiError::no_user()),
    };
    let owner = state
        .users
        .find(user)
        .await?
        .ok_or_else(|| ApiError::invalid("/userId", "user", format!("is no user: {user}")))?;
    if access.0.user() != Some(user) {
        access.require(Action::Write, &Resource::of("user").below(user))?;
        // A token acts in its user's name.
        may_give(&access, &owner.permissions)?;
    }
    let (token, prefix) = new_api_token();
    let new = NewApiToken {
        user,
        description: checked_description(description)?,
        prefix,
        hash: SecretHash::of(token.expose_secret()),
        permissions,
        expires: expires.map(checked_end).transpose()?,
    };
    let id = state.api_tokens.insert(&new).await?;
    let stored = find(&state, id).await?;
    note_change(&request, Change::made(&stored));
    Ok(reply::created(Shown {
        stored,
        token: token.expose_secret(),
    }))
}

/// Changes a token.
#[utoipa::path(
    put, path = "/api/api-tokens/{token}", operation_id = "updateApiToken",
    request_body = Update,
    responses((status = 200, body = Data<StoredApiToken>), (status = 422)),
    extensions(("x-permission" = json!({"action": "write", "resource": "api-tokens/{token}"}))),
)]
pub(super) async fn update(
    state: State,
    access: Access,
    request: HttpRequest,
    id: web::Path<ApiTokenId>,
    Body(update): Body<Update>,
) -> Reply {
    access.require(Action::Write, &resource(*id))?;
    let before = find(&state, *id).await?;
    if let Some(permissions) = &update.permissions {
        may_give(&access, permissions)?;
    }
    let patch = ApiTokenPatch {
        description: update.description.map(checked_description).transpose()?,
        permissions: update.permissions,
        enabled: update.enabled,
        expires: update
            .expires
            .map(|expires| expires.map(checked_end).transpose())
            .transpose()?,
    };
    if !state.api_tokens.update(*id, &patch).await? {
        return Err(no_token(*id));
    }
    let after = find(&state, *id).await?;
    note_change(&request, Change::from(&before).into(&after));
    Ok(reply::data(after))
}

/// Removes a token.
#[utoipa::path(
    delete, path = "/api/api-tokens/{token}", operation_id = "deleteApiToken",
    responses((status = 200, body = Done)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "api-tokens/{token}"}))),
)]
pub(super) async fn remove(
    state: State,
    access: Access,
    request: HttpRequest,
    id: web::Path<ApiTokenId>,
) -> Reply {
    access.require(Action::Delete, &resource(*id))?;
    let before = find(&state, *id).await?;
    if !state.api_tokens.remove(*id).await? {
        return Err(no_token(*id));
    }
    note_change(&request, Change::from(&before));
    Ok(reply::done("the token is removed"))
}

fn checked_description(text: String) -> Result<String, ApiError> {
    if text.len() <= MAX_DESCRIPTION_BYTES && !text.contains('\0') {
        return Ok(text);
    }
    let detail = format!("has at most {MAX_DESCRIPTION_BYTES} bytes and no NUL");
    Err(ApiError::invalid("/description", "description", detail))
}

fn checked_end(end: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
    if end > Utc::now() {
        Ok(end)
    } else {
        Err(ApiError::invalid("/expires", "past", "is over already"))
    }
}
