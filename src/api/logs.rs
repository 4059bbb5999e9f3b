//! Jobs' log lines.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::access::Access;
use super::problem::ApiError;
use super::reply;
use super::state::ApiState;
use crate::access::Action;
use crate::store::{LogCursor, LogQuery};

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 1_000;

/// Which lines. `after` and `before` take a line's cursor or a time.
#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    limit: Option<u16>,
    after: Option<String>,
    before: Option<String>,
}

/// Lines of a job, oldest first: the newest ones, those before a place, or those after one.
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
