//! Whether the server is well, for load balancers and for people.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data, Done};
use super::schemas::Actor;
use super::state::ApiState;
use crate::access::{Action, Resource};

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", operation_id = "isAlive",
    tag = "server",
    security(()),
    responses((status = 200, body = Done)),
)]
pub(super) async fn alive() -> HttpResponse {
    reply::done("alive")
}

/// The database answers and the jobs are known.
#[utoipa::path(
    get, path = "/readyz", operation_id = "isReady",
    tag = "server",
    security(()),
    responses((status = 200, body = Done), (status = 500), (status = 503)),
)]
pub(super) async fn ready(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    state.database.ping().await?;
    if state.tree.is_ready() {
        return Ok(reply::done("ready"));
    }
    Err(ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        "the jobs are not known yet",
    ))
}

/// Every actor with its state, restarts and last failure.
#[utoipa::path(
    get, path = "/api/debug/tree", operation_id = "getSupervisionTree",
    tag = "server",
    responses((status = 200, body = Data<Actor>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/supervision"}))),
)]
pub(super) async fn tree(state: web::Data<ApiState>, access: Access) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &Resource::of("system").below("supervision"))?;
    Ok(reply::data(state.tree.snapshot().await))
}
