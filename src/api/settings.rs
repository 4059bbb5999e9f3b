//! How the server is configured.

use actix_web::{HttpResponse, web};

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::config::Setting;

/// Every option as it is in force, and where it comes from. Secrets are masked.
#[utoipa::path(
    get, path = "/api/config", operation_id = "getConfig",
    tag = "server",
    responses((status = 200, body = Data<Vec<Setting>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/config"}))),
)]
pub(super) async fn list(state: web::Data<ApiState>, access: Access) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &Resource::of("system").below("config"))?;
    Ok(reply::data(&*state.settings))
}
