//! Jobs' log lines.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Access;
use super::everywhere::{self, OfJob};
use super::input::Query;
use super::paging;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::Action;
use crate::store::{LogCursor, LogQuery, NotACursor, StoredLogLine};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;

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
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(parameters): Query<Parameters>,
) -> Reply {
    let query = parameters.query()?;
    let job = state.job(&access, Action::Read, &job, &["logs"]).await?;
    Ok(reply::data(state.logs.read(&[job.id], query).await?.lines))
}

/// Lines of all jobs whose logs one may read.
#[utoipa::path(
    get, path = "/api/job/logs", operation_id = "readAllLogs",
    params(Parameters, OfJob),
    responses((status = 200, body = Data<Vec<StoredLogLine>>)),
)]
pub(super) async fn read_all(
    state: State,
    access: Access,
    Query(parameters): Query<Parameters>,
    Query(of): Query<OfJob>,
) -> Reply {
    let query = parameters.query()?;
    let jobs = everywhere::resources(&state).await?.into_iter();
    let readable = jobs
        .filter(|(job, _)| of.job_id.is_none_or(|only| *job == only))
        .filter(|(_, resource)| access.may(Action::Read, &resource.clone().below("logs")))
        .map(|(job, _)| job)
        .collect::<Vec<_>>();
    Ok(reply::data(state.logs.read(&readable, query).await?.lines))
}

impl Parameters {
    fn query(&self) -> Result<LogQuery, ApiError> {
        if self.after.is_some() && self.before.is_some() {
            let message = "can not be given together with after";
            return Err(ApiError::bad_parameter("before", "conflict", message));
        }
        Ok(LogQuery {
            after: cursor("after", self.after.as_deref())?,
            before: cursor("before", self.before.as_deref())?,
            limit: paging::limit(self.limit, DEFAULT_LIMIT, MAX_LIMIT)?,
        })
    }
}

fn cursor(name: &str, text: Option<&str>) -> Result<Option<LogCursor>, ApiError> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error: NotACursor| ApiError::bad_parameter(name, "invalid", format!("is {error}")))
    };
    text.map(parse).transpose()
}
