//! Jobs' log lines.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::Action;
use crate::store::{LogCursor, LogQuery, StoredLogLine};

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 1_000;

/// Which lines. `after` and `before` take a line's cursor or a time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// Lines after this place.
    after: Option<String>,
    /// Lines before this place.
    before: Option<String>,
}

/// Lines of a job, oldest first: the newest ones, those before a place, or those after one.
#[utoipa::path(
    get, path = "/api/job/{job}/logs", operation_id = "readLogs",
    params(Parameters),
    responses((status = 200, body = Data<Vec<StoredLogLine>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/logs"}))),
)]
pub(super) async fn read(
    state: web::Data<ApiState>,
    access: Access,
    job: web::Path<String>,
    parameters: web::Query<Parameters>,
) -> Result<HttpResponse, ApiError> {
    let limit = parameters.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(ApiError::bad_request(format!("limit must be 1 to {MAX_LIMIT}")));
    }
    if parameters.after.is_some() && parameters.before.is_some() {
        return Err(ApiError::bad_request(
            "after and before can not be given together",
        ));
    }
    let query = LogQuery {
        after: cursor("after", parameters.after.as_deref())?,
        before: cursor("before", parameters.before.as_deref())?,
        limit,
    };
    let job = state.job(&access, Action::Read, &job, &["logs"]).await?;
    Ok(reply::data(state.logs.read(job.id, query).await?.lines))
}

fn cursor(name: &str, text: Option<&str>) -> Result<Option<LogCursor>, ApiError> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error| ApiError::bad_request(format!("{name} is {error}")))
    };
    text.map(parse).transpose()
}
