//! Logging in and out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::StatusCode;
use actix_web::http::header::USER_AGENT;
use actix_web::{HttpRequest, HttpResponse, web};
use jobber_actors::domain::{ApiTokenId, SessionId, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{Access, COOKIE, Change, address, blank, note_change, record};
use super::input::Body;
use super::problem::ApiError;
use super::reply::{self, Data, Done};
use super::state::ApiState;
use crate::access::{Attempt, Permissions, SecretHash, Who, new_session_secret};
use crate::store::{AuditEntry, Origin, SESSION_TIME, StoredSession, StoredUser};

/// Longest name that is looked for, in bytes.
const MAX_USERNAME_BYTES: usize = 128;

/// Name and password.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Login {
    username: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Who somebody is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Identity {
    user: Option<IdentifiedUser>,
    permissions: Permissions,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    session_id: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    token_id: Option<ApiTokenId>,
    gateway: GatewayAddress,
    /// Of the token: what it may do is what both lists allow.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_permissions: Option<Permissions>,
}

/// Where functions answer.
#[derive(Debug, Serialize, ToSchema)]
struct GatewayAddress {
    /// Where clients reach the gateway, as `GATEWAY_PUBLIC_URL` says; null if it does not.
    url: Option<String>,
    /// The port on which it listens.
    port: u16,
}

#[derive(Debug, Serialize, ToSchema)]
struct IdentifiedUser {
    #[schema(value_type = uuid::Uuid)]
    id: UserId,
    username: String,
}

/// Begins a session, and sets its cookie.
#[utoipa::path(
    post, path = "/api/auth/login", operation_id = "logIn",
    request_body = Login,
    security(()),
    responses((status = 200, body = Data<StoredUser>), (status = 401), (status = 422), (status = 429), (status = 500), (status = 503)),
)]
pub(super) async fn log_in(
    state: web::Data<ApiState>,
    request: HttpRequest,
    Body(login): Body<Login>,
) -> Result<HttpResponse, ApiError> {
    let Login { username, password } = login;
    let entered = enter(&state, &request, &username, password).await;
    let status = match &entered {
        Ok(_) => StatusCode::OK,
        Err(error) => error.status(),
    };
    let entry = AuditEntry {
        user: entered.as_ref().ok().map(|(user, _)| user.id),
        username: Some(
            username
                .chars()
                .take(MAX_USERNAME_BYTES)
                .filter(|c| *c != '\0')
                .collect(),
        ),
        status: status.as_u16(),
        ..blank(&request)
    };
    record(&state, entry).await;
    let (user, secret) = entered?;
    let mut cookie = Cookie::new(COOKIE, secret.expose_secret().to_owned());
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    cookie.set_path("/");
    cookie.set_secure(request.connection_info().scheme() == "https");
    cookie.set_max_age(actix_web::cookie::time::Duration::try_from(SESSION_TIME).ok());
    Ok(reply::with_cookie(&user, cookie))
}

async fn enter(
    state: &ApiState,
    request: &HttpRequest,
    username: &str,
    password: SecretString,
) -> Result<(StoredUser, SecretString), ApiError> {
    let attempt = Attempt {
        account: username.chars().take(MAX_USERNAME_BYTES).collect(),
        address: request
            .peer_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip()),
    };
    state
        .attempts()
        .attempt(&attempt, Instant::now())
        .map_err(ApiError::too_many_attempts)?;
    let user = if username.len() <= MAX_USERNAME_BYTES && !username.contains('\0') {
        state.users.find_by_name(username).await?
    } else {
        None
    };
    let hash = user.as_ref().map(|user| user.password.clone());
    let fits = state
        .passwords
        .verify(password, hash)
        .await
        .map_err(ApiError::password)?;
    // Somebody who is disabled hears the same as somebody who is not there.
    let user = user
        .filter(|user| fits && user.enabled)
        .ok_or_else(ApiError::wrong_login)?;
    state.attempts().succeeded(&attempt);
    // Always a new session: whatever cookie came with the request is of no use from here on.
    let secret = new_session_secret();
    let origin = Origin {
        address: address(request),
        user_agent: request
            .headers()
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(ToOwned::to_owned),
    };
    if let Some(old) = request.cookie(COOKIE) {
        state.sessions.end_by_secret(&SecretHash::of(old.value())).await?;
    }
    state
        .sessions
        .begin(user.id, &SecretHash::of(secret.expose_secret()), &origin)
        .await?;
    Ok((user, secret))
}

/// Ends the session.
#[utoipa::path(
    post, path = "/api/auth/logout", operation_id = "logOut",
    responses((status = 200, body = Done)),
)]
pub(super) async fn log_out(state: web::Data<ApiState>, access: Access) -> Result<HttpResponse, ApiError> {
    if let Who::User { user, session, .. } = access.0.who {
        state.sessions.end(user, session).await?;
    }
    let mut cookie = Cookie::new(COOKIE, "");
    cookie.set_path("/");
    cookie.make_removal();
    Ok(reply::done_with_cookie("logged out", cookie))
}

/// Who makes this request, and what they may do; and where functions answer.
#[utoipa::path(
    get, path = "/api/auth", operation_id = "getIdentity",
    responses((status = 200, body = Data<Identity>)),
)]
pub(super) async fn whoami(state: web::Data<ApiState>, access: Access) -> HttpResponse {
    let Access(principal) = access;
    let (user, session_id, token_id) = match principal.who {
        Who::Instance => (None, None, None),
        Who::User { user, name, session } => (Some((user, name)), Some(session), None),
        Who::Token { user, name, token } => (Some((user, name)), None, Some(token)),
    };
    reply::data(Identity {
        user: user.map(|(id, username)| IdentifiedUser { id, username }),
        permissions: principal.permissions,
        session_id,
        token_id,
        gateway: GatewayAddress {
            url: state.config.gateway_url.clone(),
            port: state.config.gateway_port,
        },
        token_permissions: principal.narrowed,
    })
}

/// The user's own sessions.
#[utoipa::path(
    get, path = "/api/auth/sessions", operation_id = "listSessions",
    responses((status = 200, body = Data<Vec<StoredSession>>), (status = 409)),
)]
pub(super) async fn sessions(state: web::Data<ApiState>, access: Access) -> Result<HttpResponse, ApiError> {
    let user = access.0.user().ok_or_else(ApiError::no_user)?;
    Ok(reply::data(state.sessions.list(user).await?))
}

/// Ends one of the user's own sessions.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{session}", operation_id = "endSession",
    responses((status = 200, body = Done), (status = 409)),
)]
pub(super) async fn end_session(
    state: web::Data<ApiState>,
    access: Access,
    request: HttpRequest,
    session: web::Path<SessionId>,
) -> Result<HttpResponse, ApiError> {
    let user = access.0.user().ok_or_else(ApiError::no_user)?;
    if !state.sessions.end(user, *session).await? {
        let detail = format!("you have no session {session}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "session-not-found", detail));
    }
    note_change(
        &request,
        Change::from(&serde_json::json!({ "sessionId": *session })),
    );
    Ok(reply::done("the session is over"))
}
