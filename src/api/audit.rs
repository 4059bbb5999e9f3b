//! The record of every change.

use actix_web::{HttpResponse, web};
use jobber_actors::domain::UserId;
use serde::Deserialize;

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Page};
use super::state::ApiState;
use crate::access::{Action, Resource};

/// Which part of the record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    limit: Option<u16>,
    /// The place of the last entry of the page before.
    cursor: Option<i64>,
    user_id: Option<UserId>,
}

/// What was done, the newest first.
pub(super) async fn list(
    state: web::Data<ApiState>,
    access: Access,
    query: web::Query<Query>,
) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &Resource::of("system").below("audit"))?;
    let limit = reply::limit(query.limit)?;
    let entries = state.audit.list(query.cursor, query.user_id, limit).await?;
    let next = reply::next(&entries, limit, |entry| entry.sequence.to_string());
    Ok(reply::page(Page { items: entries, next }))
}
