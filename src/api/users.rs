//! Who may log in.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use jobber_actors::domain::UserId;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::access::{Access, Change, note_change};
use super::input::{Body, Query};
use super::paging::{self, Paging};
use super::problem::ApiError;
use super::reply::{self, Data, Done, PageOf};
use super::state::ApiState;
use crate::access::{Action, MAX_PERMISSIONS, Permissions, Resource, Who};
use crate::store::{NewUser, StoredUser, UserChange, UserFilter, UserPatch, UserSort};

type State = web::Data<ApiState>;
type Reply = Result<HttpResponse, ApiError>;

/// Longest name, in bytes.
const MAX_USERNAME_BYTES: usize = 128;

/// A user to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UserCreation)]
pub(super) struct Creation {
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$"
    )]
    username: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024)]
    password: SecretString,
    #[serde(default)]
    permissions: Permissions,
    #[serde(default = "enabled")]
    enabled: bool,
}

fn enabled() -> bool {
    true
}

/// What is to be changed of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UserUpdate)]
pub(super) struct Update {
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$"
    )]
    username: Option<String>,
    #[schema(value_type = Option<String>, format = Password, min_length = 8, max_length = 1024)]
    password: Option<SecretString>,
    permissions: Option<Permissions>,
    enabled: Option<bool>,
}

/// Which users, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those who may do something, or those who may not.
    enabled: Option<bool>,
    /// Those with this in their name, in whatever case.
    search: Option<String>,
    #[param(inline)]
    sort: Option<UserSort>,
}

fn user(id: UserId) -> Resource {
    Resource::of("user").below(id)
}

/// The users that one may see.
#[utoipa::path(
    get, path = "/api/users", operation_id = "listUsers",
    params(Paging, Filter),
    responses((status = 200, body = PageOf<StoredUser>)),
)]
pub(super) async fn list(
    state: State,
    access: Access,
    Query(paging): Query<Paging>,
    Query(filter): Query<Filter>,
) -> Reply {
    let listing = paging.listing(filter.sort)?;
    let filter = UserFilter {
        enabled: filter.enabled,
        search: filter.search,
    };
    let users = state.users.list(&filter, &listing).await?;
    let may_see = |one: &StoredUser| access.may(Action::Read, &user(one.id));
    Ok(paging::visible(users, listing.sort, may_see))
}

/// A user.
#[utoipa::path(
    get, path = "/api/users/{user}", operation_id = "getUser",
    responses((status = 200, body = Data<StoredUser>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "user/{user}"}))),
)]
pub(super) async fn get(state: State, access: Access, id: web::Path<UserId>) -> Reply {
    access.require(Action::Read, &user(*id))?;
    Ok(reply::data(find(&state, *id).await?))
}

async fn find(state: &ApiState, id: UserId) -> Result<StoredUser, ApiError> {
    state.users.find(id).await?.ok_or_else(|| no_user(id))
}

fn no_user(id: UserId) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "user-not-found",
        format!("there is no user {id}"),
    )
}

/// Makes a user. Nobody gives more permissions than they have.
#[utoipa::path(
    post, path = "/api/users", operation_id = "createUser",
    request_body = Creation,
    responses((status = 201, body = Data<StoredUser>), (status = 409), (status = 422)),
    extensions(("x-permission" = json!({"action": "write", "resource": "user"}))),
)]
pub(super) async fn create(
    state: State,
    access: Access,
    request: HttpRequest,
    Body(creation): Body<Creation>,
) -> Reply {
    access.require(Action::Write, &Resource::of("user"))?;
    let Creation {
        username,
        password,
        permissions,
        enabled,
    } = creation;
    let username = checked_name(username)?;
    may_give(&access, &permissions)?;
    let password = state.passwords.hash(password).await.map_err(ApiError::password)?;
    let new = NewUser {
        username,
        password,
        permissions,
        enabled,
    };
    let made = state
        .users
        .insert(&new)
        .await?
        .ok_or_else(|| name_taken(&new.username))?;
    note_change(&request, Change::made(&made));
    Ok(reply::created(made))
}

/// Changes a user. Each part needs its own permission: `user/:userId/username`, `…/password`, `…/permissions`.
#[utoipa::path(
    put, path = "/api/users/{user}", operation_id = "updateUser",
    request_body = Update,
    responses((status = 200, body = Data<StoredUser>), (status = 409), (status = 422)),
    extensions(("x-permission" = json!({"action": "write", "resource": "user/{user}"}))),
)]
pub(super) async fn update(
    state: State,
    access: Access,
    request: HttpRequest,
    id: web::Path<UserId>,
    Body(update): Body<Update>,
) -> Reply {
    let id = *id;
    let Update {
        username,
        password,
        permissions,
        enabled,
    } = update;
    let parts = [
        (username.is_some(), "username"),
        (password.is_some(), "password"),
        (permissions.is_some() || enabled.is_some(), "permissions"),
    ];
    if parts.iter().all(|(changed, _)| !changed) {
        access.require(Action::Write, &user(id))?;
    }
    for (_, part) in parts.iter().filter(|(changed, _)| *changed) {
        access.require(Action::Write, &user(id).below(part))?;
    }
    let known = find(&state, id).await?;
    // Whoever could log in as somebody, or disable them, can do more than they may themselves.
    if (password.is_some() || enabled.is_some()) && access.0.user() != Some(id) {
        may_give(&access, &known.permissions)?;
    }
    if let Some(permissions) = &permissions {
        may_give(&access, permissions)?;
    }
    let patch = UserPatch {
        username: username.map(checked_name).transpose()?,
        password: match password {
            Some(password) => Some(state.passwords.hash(password).await.map_err(ApiError::password)?),
            None => None,
        },
        permissions,
        enabled,
    };
    let keep = match access.0.who {
        Who::User { session, .. } => Some(*session.as_uuid()),
        _ => None,
    };
    match state.users.update(id, patch, keep).await? {
        UserChange::Done { before, after } => {
            let after = after.ok_or_else(|| no_user(id))?;
            note_change(&request, Change::from(&before).into(&after));
            Ok(reply::data(after))
        }
        other => Err(refused(id, &other)),
    }
}

/// Removes a user with their sessions and tokens.
#[utoipa::path(
    delete, path = "/api/users/{user}", operation_id = "deleteUser",
    responses((status = 200, body = Done), (status = 409), (status = 422)),
    extensions(("x-permission" = json!({"action": "delete", "resource": "user/{user}"}))),
)]
pub(super) async fn remove(
    state: State,
    access: Access,
    request: HttpRequest,
    id: web::Path<UserId>,
) -> Reply {
    let id = *id;
    access.require(Action::Delete, &user(id))?;
    let known = find(&state, id).await?;
    if access.0.user() != Some(id) {
        may_give(&access, &known.permissions)?;
    }
    match state.users.remove(id).await? {
        UserChange::Done { before, .. } => {
            note_change(&request, Change::from(&before));
            Ok(reply::done("the user is removed"))
        }
        other => Err(refused(id, &other)),
    }
}

fn refused(id: UserId, change: &UserChange) -> ApiError {
    match change {
        UserChange::LastAdministrator => ApiError::new(
            StatusCode::CONFLICT,
            "last-administrator",
            "nobody else may do everything: make another administrator first",
        ),
        UserChange::NameTaken => name_taken("that"),
        UserChange::Gone | UserChange::Done { .. } => no_user(id),
    }
}

fn name_taken(name: &str) -> ApiError {
    let detail = format!("another user is called {name:?}, maybe in another case");
    ApiError::new(StatusCode::CONFLICT, "username-taken", detail)
}

fn checked_name(name: String) -> Result<String, ApiError> {
    let plain = !name.is_empty()
        && name.len() <= MAX_USERNAME_BYTES
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if plain {
        Ok(name)
    } else {
        let detail =
            format!("has 1 to {MAX_USERNAME_BYTES} bytes, no control characters and no spaces at its ends");
        Err(ApiError::invalid("/username", "username", detail))
    }
}

/// Refuses permissions that their giver does not have.
pub(super) fn may_give(access: &Access, permissions: &Permissions) -> Result<(), ApiError> {
    if permissions.len() > MAX_PERMISSIONS {
        let detail = format!("has at most {MAX_PERMISSIONS} lines");
        return Err(ApiError::invalid("/permissions", "permissions", detail));
    }
    if access.0.may_give(permissions) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "more-than-you-have",
        "these permissions are more than your own; what is denied to you has to be denied there by the same line",
    ))
}
