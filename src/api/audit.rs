//! The record of every change.

use actix_web::{HttpResponse, web};
use jobber_actors::domain::UserId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, PageOf};
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::store::StoredAuditEntry;

/// Which part of the record.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u16>,
    /// The place of the last entry of the page before.
    cursor: Option<i64>,
    #[param(value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
}

/// What was done, the newest first.
#[utoipa::path(
    get, path = "/api/audit", operation_id = "listAuditEntries",
    params(Query),
    responses((status = 200, body = PageOf<StoredAuditEntry>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/audit"}))),
)]
pub(super) async fn list(
    state: web::Data<ApiState>,
    access: Access,
    query: web::Query<Query>,
) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &Resource::of("system").below("audit"))?;
    let limit = reply::limit(query.limit)?;
    let entries = state.audit.list(query.cursor, query.user_id, limit).await?;
    let place = |entry: &StoredAuditEntry| entry.sequence.to_string();
    Ok(reply::visible(entries, limit, place, |_| true))
}
