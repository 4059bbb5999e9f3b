//! A job's log as a file.

use std::io;
use std::sync::Arc;

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::{self, Bytes};
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use jobber_actors::domain::JobId;
use tokio::sync::OwnedSemaphorePermit;

use super::{Filter, Reply, State, Times};
use crate::access::Action;
use crate::api::access::Access;
use crate::api::input::Query;
use crate::api::problem::ApiError;
use crate::api::reply;
use crate::api::state::ApiState;
use crate::logs::{LogArchiveError, LogCursor, LogQuery, StoredLogLine};

/// Lines that are read, and held, at once.
const PAGE: u16 = 500;

/// All lines of a job that are like this and were written before now, the oldest first: one JSON object on each line.
#[utoipa::path(
    get, path = "/api/job/{job}/logs/export", operation_id = "exportLogs",
    params(Filter, Times),
    responses((status = 200, body = String, content_type = "application/x-ndjson")),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/logs"}))),
)]
pub(in crate::api) async fn export(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(filter): Query<Filter>,
    Query(times): Query<Times>,
) -> Reply {
    let mut filter = filter.during(times)?;
    let job = state.job(&access, Action::Read, &job, &["logs"]).await?;
    let slot = Arc::clone(&state.exports).try_acquire_owned();
    let slot = slot.map_err(|_| ApiError::busy("too many logs are being exported"))?;
    // What is written meanwhile would have no end.
    let now = Utc::now();
    filter.to = Some(filter.to.map_or(now, |to| to.min(now)));
    let begin = LogCursor::at(filter.from.unwrap_or(DateTime::UNIX_EPOCH));
    let query = LogQuery {
        after: Some(begin),
        limit: PAGE,
        filter,
        ..LogQuery::default()
    };
    let mut export = Export {
        state,
        job: job.id,
        query: Some(query),
        first: None,
        _slot: slot,
    };
    // Read before anything is answered: what goes wrong at once is told as it should be.
    export.first = export.page().await?;
    let name = reply::file_name(&format!("{}-log.ndjson", job.name));
    Ok(actix_web::HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(export.stream()))
}

/// What is left to be exported.
struct Export {
    state: web::Data<ApiState>,
    job: JobId,
    /// None after the last page.
    query: Option<LogQuery>,
    first: Option<Bytes>,
    _slot: OwnedSemaphorePermit,
}

impl Export {
    /// The pages, each read when the one before was taken. An error breaks the connection off, so that nobody takes the part for the
    /// whole.
    fn stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        stream::try_unfold(self, |mut export| async move {
            let page = match export.first.take() {
                Some(first) => Some(first),
                None => export.page().await.map_err(io::Error::other)?,
            };
            Ok(page.map(|page| (page, export)))
        })
    }

    async fn page(&mut self) -> Result<Option<Bytes>, LogArchiveError> {
        let Some(query) = &mut self.query else {
            return Ok(None);
        };
        if self.state.is_leaving() {
            return Err(LogArchiveError::Unavailable("the server stops".to_owned()));
        }
        let lines = self.state.logs.read(&[self.job], query).await?;
        query.after = lines.last().map(|line| line.cursor);
        if lines.len() < usize::from(PAGE) {
            self.query = None;
        }
        Ok((!lines.is_empty()).then(|| written(&lines)))
    }
}

fn written(lines: &[StoredLogLine]) -> Bytes {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line).expect("a line of texts and numbers is JSON");
        text.push(b'\n');
    }
    text.into()
}
