//! The record of every change.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use jobber_actors::domain::UserId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::input::{Query, moment};
use super::paging::{self, ShortPaging};
use super::problem::ApiError;
use super::reply::PageOf;
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::store::{AuditFilter, AuditSort, StoredAuditEntry};

/// Which entries, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// What one user did.
    #[param(value_type = Option<uuid::Uuid>)]
    user_id: Option<UserId>,
    /// What was done, as method and route: `PUT /api/job/{job}`.
    action: Option<String>,
    /// How the path begins that it was done with.
    resource: Option<String>,
    /// At this moment or later.
    #[serde(default, deserialize_with = "moment")]
    since: Option<DateTime<Utc>>,
    /// Before this moment.
    #[serde(default, deserialize_with = "moment")]
    until: Option<DateTime<Utc>>,
    #[param(inline)]
    sort: Option<AuditSort>,
}

/// What was done, the newest first unless asked otherwise.
#[utoipa::path(
    get, path = "/api/audit", operation_id = "listAuditEntries",
    params(ShortPaging, Filter),
    responses((status = 200, body = PageOf<StoredAuditEntry>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/audit"}))),
)]
pub(super) async fn list(
    state: web::Data<ApiState>,
    access: Access,
    Query(paging): Query<ShortPaging>,
    Query(filter): Query<Filter>,
) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &Resource::of("system").below("audit"))?;
    let listing = paging.listing(filter.sort)?;
    let filter = AuditFilter {
        user: filter.user_id,
        action: filter.action,
        resource: filter.resource,
        since: filter.since,
        until: filter.until,
    };
    let entries = state.audit.list(&filter, &listing).await?;
    Ok(paging::part(entries, listing.sort))
}
