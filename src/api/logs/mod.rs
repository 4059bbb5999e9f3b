//! Jobs' log lines.

mod export;
mod follow;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use jobber_actors::domain::{InvocationId, VersionId};
use jobber_actors::ports::{LogLevel, OutputStream};
use serde::Deserialize;
use utoipa::IntoParams;

// The macro that annotates a handler puts what it makes beside it.
pub(super) use self::export::{__path_export, export};
pub(super) use self::follow::{__path_follow, follow};
use super::access::Access;
use super::everywhere::{self, OfJob};
use super::input::{Query, moment};
use super::paging;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::Action;
use crate::logs::{LogCursor, LogFilter, LogQuery, NotACursor, StoredLogLine};

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 1_000;
/// Characters of a text that is looked for.
const MAX_TEXT: usize = 256;

/// Which part of the lines. `after` and `before` take a line's cursor or a time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// Lines after this place.
    after: Option<String>,
    /// Lines before this place.
    before: Option<String>,
}

/// What the lines must be like.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of this invocation.
    #[param(value_type = Option<uuid::Uuid>)]
    invocation: Option<InvocationId>,
    /// Of the version with this id.
    #[param(value_type = Option<uuid::Uuid>)]
    version: Option<VersionId>,
    /// `stdout`, `stderr`, or `system` for Jobber's own words.
    #[param(value_type = Option<String>, pattern = "^(stdout|stderr|system)$")]
    stream: Option<OutputStream>,
    /// Of this level or a worse one: `debug`, `info`, `warn`, `error`.
    #[param(value_type = Option<String>, pattern = "^(debug|info|warn|error)$")]
    level: Option<LogLevel>,
    /// With this in the message, in which A to Z are found in either case. At most 256 characters.
    #[param(min_length = 1, max_length = 256)]
    text: Option<String>,
}

/// When the lines were written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Times {
    /// At this moment or later.
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
}

/// Lines of a job, oldest first: the newest ones, those before a place, or those after one.
#[utoipa::path(
    get, path = "/api/job/{job}/logs", operation_id = "readLogs",
    params(Part, Filter, Times),
    responses((status = 200, body = Data<Vec<StoredLogLine>>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/logs"}))),
)]
pub(super) async fn read(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(part): Query<Part>,
    Query(filter): Query<Filter>,
    Query(times): Query<Times>,
) -> Reply {
    let query = part.query(filter.during(times)?)?;
    let job = state.job(&access, Action::Read, &job, &["logs"]).await?;
    Ok(reply::data(state.logs.read(&[job.id], &query).await?))
}

/// Lines of all jobs whose logs one may read.
#[utoipa::path(
    get, path = "/api/job/logs", operation_id = "readAllLogs",
    params(Part, Filter, Times, OfJob),
    responses((status = 200, body = Data<Vec<StoredLogLine>>)),
)]
pub(super) async fn read_all(
    state: State,
    access: Access,
    Query(part): Query<Part>,
    Query(filter): Query<Filter>,
    Query(times): Query<Times>,
    Query(of): Query<OfJob>,
) -> Reply {
    let query = part.query(filter.during(times)?)?;
    let readable = everywhere::readable_jobs(&state, &access, &of, "logs").await?;
    Ok(reply::data(state.logs.read(&readable, &query).await?))
}

impl Part {
    fn query(&self, filter: LogFilter) -> Result<LogQuery, ApiError> {
        if self.after.is_some() && self.before.is_some() {
            let message = "can not be given together with after";
            return Err(ApiError::bad_parameter("before", "conflict", message));
        }
        Ok(LogQuery {
            after: cursor("after", self.after.as_deref())?,
            before: cursor("before", self.before.as_deref())?,
            limit: paging::limit(self.limit, DEFAULT_LIMIT, MAX_LIMIT)?,
            filter,
        })
    }
}

impl Filter {
    fn read(self) -> Result<LogFilter, ApiError> {
        if let Some(text) = &self.text
            && !(1..=MAX_TEXT).contains(&text.chars().count())
        {
            let message = format!("must have 1 to {MAX_TEXT} characters");
            return Err(ApiError::bad_parameter("text", "length", message));
        }
        Ok(LogFilter {
            invocation: self.invocation,
            version: self.version,
            stream: self.stream,
            level: self.level,
            text: self.text,
            ..LogFilter::default()
        })
    }

    fn during(self, times: Times) -> Result<LogFilter, ApiError> {
        Ok(LogFilter {
            from: times.from,
            to: times.to,
            ..self.read()?
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
