//! Asking for lines.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use jobber_actors::domain::JobId;
use jobber_actors::ports::OutputStream;
use serde::Deserialize;

use super::entry;
use super::http::{Http, Question};
use super::logql::{self, JOB, STREAM};
use super::window::{bounded, windows};
use crate::logs::{LogArchiveError, LogQuery, Span, StoredLogLine};

/// So many more lines are asked for than are wanted: those that share a nanosecond with a place come in no order, and some of them
/// may have been seen. Only lines of several servers share one.
const MARGIN: usize = 100;
/// Most jobs of one question, so that it is no longer than Loki reads.
const JOBS_AT_ONCE: usize = 2_000;

/// What Loki answers.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    stream: BTreeMap<String, String>,
    values: Vec<(String, String)>,
}

pub(super) async fn read(
    http: &Http,
    look_back: Duration,
    jobs: &[JobId],
    query: &LogQuery,
) -> Result<Vec<StoredLogLine>, LogArchiveError> {
    let span = bounded(query, look_back, Utc::now());
    let limit = usize::from(query.limit);
    let mut lines = Vec::new();
    for some in jobs.chunks(JOBS_AT_ONCE) {
        lines.extend(of_jobs(http, some, query, span).await?);
    }
    if query.is_forward() {
        lines.sort_by_key(|line| line.cursor);
        lines.truncate(limit);
    } else {
        lines.sort_by_key(|line| std::cmp::Reverse(line.cursor));
        lines.truncate(limit);
        lines.reverse();
    }
    Ok(lines)
}

async fn of_jobs(
    http: &Http,
    jobs: &[JobId],
    query: &LogQuery,
    span: Span,
) -> Result<Vec<StoredLogLine>, LogArchiveError> {
    let question = logql::question(jobs, &query.filter);
    let most = usize::from(query.limit) + MARGIN;
    let mut found = Vec::new();
    for window in windows(span, query.is_forward()) {
        let answer = http
            .ask(&Question {
                query: &question,
                start: window.start,
                end: window.end,
                limit: most - found.len().min(usize::from(query.limit)),
                direction: if query.is_forward() { "forward" } else { "backward" },
            })
            .await?;
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|error| LogArchiveError::Failed(format!("Loki's answer is not understood: {error}")))?;
        let lines = answer.data.result.into_iter().flat_map(lines_of);
        found.extend(lines.filter(|line| line.cursor > span.above && line.cursor < span.below));
        if found.len() >= usize::from(query.limit) {
            break;
        }
    }
    Ok(found)
}

/// The lines of a stream that Jobber has pushed.
fn lines_of(stream: Stream) -> impl Iterator<Item = StoredLogLine> {
    let job = stream.stream.get(JOB).and_then(|id| id.parse().ok());
    let output = stream
        .stream
        .get(STREAM)
        .and_then(|name| OutputStream::from_name(name));
    stream
        .values
        .into_iter()
        .filter_map(move |(nanosecond, text)| entry::decode(job?, output?, nanosecond.parse().ok()?, &text))
}
