//! A job's log as it is written, as server-sent events.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use chrono::Utc;
use futures_util::{Stream, stream};
use jobber_actors::changes::{ChangeWatch, Topic};
use jobber_actors::domain::JobId;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};
use utoipa::IntoParams;

use super::{Filter, Reply, State, cursor};
use crate::access::Action;
use crate::api::access::{Access, identify};
use crate::api::ending::Ending;
use crate::api::input::Query;
use crate::api::problem::ApiError;
use crate::api::state::ApiState;
use crate::logs::{LogCursor, StoredLogLine, Tail, TailStart};

/// What a browser sends when it comes again: the id of the last event that it got.
const LAST_EVENT: &str = "Last-Event-ID";
const MOST_FIRST: u16 = 1_000;

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Start {
    /// So many of the newest lines come first.
    #[param(minimum = 0, maximum = 1000, default = 0)]
    lines: Option<u16>,
    /// Begin after this place instead: a line's cursor or a time. The header field `Last-Event-ID` goes before it.
    after: Option<String>,
}

/// The lines of a job as they are written: server-sent events (`text/event-stream`) whose `data` is a line as `readLogs` has it. The `id` of
/// the last one is what `Last-Event-ID` takes.
#[utoipa::path(
    get, path = "/api/job/{job}/logs/tail", operation_id = "followLogs",
    params(Filter, Start, Ending),
    responses((status = 200, body = String, content_type = "text/event-stream")),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/logs"}))),
)]
pub(in crate::api) async fn follow(
    state: State,
    access: Access,
    request: HttpRequest,
    job: web::Path<String>,
    Query(filter): Query<Filter>,
    Query(start): Query<Start>,
    Query(ending): Query<Ending>,
) -> Reply {
    let filter = filter.read()?;
    let (begin, end) = (start.begin(&request)?, ending.at()?);
    let job = state.job(&access, Action::Read, &job, &["logs"]).await?;
    let slot = Arc::clone(&state.followers).try_acquire_owned();
    let slot = slot.map_err(|_| ApiError::busy("too many streams of events or logs are being followed"))?;
    // Watched before anything is read: what comes between is not missed.
    let watch = state.tree.changes().watch();
    let (tail, first) = Tail::begin(Arc::clone(&state.logs), job.id, filter, begin).await?;
    let follower = Follower {
        proof_due: Instant::now() + state.config.heartbeat,
        leaving: state.leaving(),
        first: Some(first),
        is_behind: true,
        end,
        job: job.id,
        state,
        request,
        watch,
        tail,
        _slot: slot,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Proxies of the nginx kind would keep events until there are many.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(follower.stream()))
}

impl Start {
    fn begin(&self, request: &HttpRequest) -> Result<TailStart, ApiError> {
        let lines = self.lines.unwrap_or_default();
        if lines > MOST_FIRST {
            let message = format!("must be 0 to {MOST_FIRST}");
            return Err(ApiError::bad_parameter("lines", "out-of-range", message));
        }
        let header = request.headers().get(LAST_EVENT);
        let last = header
            .map(|value| value.to_str().unwrap_or_default().trim())
            .filter(|id| !id.is_empty());
        if let Some(last) = last {
            let place = last.parse::<LogCursor>();
            let wrong = |error| ApiError::bad_request(format!("{LAST_EVENT} is {error}"));
            return Ok(TailStart::After(place.map_err(wrong)?));
        }
        let after = cursor("after", self.after.as_deref())?;
        Ok(after.map_or(TailStart::Newest(lines), TailStart::After))
    }
}

/// Somebody who follows a job's log. Holds one page at most, which is written before the next one is read.
struct Follower {
    state: web::Data<ApiState>,
    request: HttpRequest,
    job: JobId,
    tail: Tail,
    watch: ChangeWatch,
    leaving: watch::Receiver<bool>,
    /// What was there before, until it is given.
    first: Option<Vec<StoredLogLine>>,
    /// There is more to read at once.
    is_behind: bool,
    /// When they have to show again that they may read this.
    proof_due: Instant,
    end: Option<Instant>,
    _slot: OwnedSemaphorePermit,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            let events = follower.next().await?;
            Some((Ok(events), follower))
        })
    }

    /// What comes next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            // An answer that begins with nothing would tell nobody that it has begun.
            let mut events = b": the log follows\n\n".to_vec();
            first
                .iter()
                .for_each(|line| write_event(&mut events, line.cursor, line));
            return Some(events.into());
        }
        loop {
            if !self.is_behind && !self.wait().await {
                return None;
            }
            if *self.leaving.borrow() || self.end.is_some_and(|end| end <= Instant::now()) {
                return None;
            }
            if self.proof_due <= Instant::now() {
                self.proof_due = Instant::now() + self.state.config.heartbeat;
                return self
                    .may_go_on()
                    .await
                    .then(|| Bytes::from_static(b": still there\n\n"));
            }
            self.is_behind = false;
            match self.tail.more(Utc::now()).await {
                Ok(page) => {
                    self.is_behind = page.is_full;
                    if !page.lines.is_empty() {
                        return Some(events(page.newest, &page.lines));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a log that is followed could not be read; it is tried again");
                }
            }
        }
    }

    /// Waits until there may be something new; other servers do not say when there is. `false` when it is over.
    async fn wait(&mut self) -> bool {
        let until = self.end.map_or(self.proof_due, |end| end.min(self.proof_due));
        tokio::select! {
            () = self.watch.changed(Topic::Logs, self.job) => true,
            () = sleep(self.state.config.log_poll) => true,
            () = sleep_until(until) => true,
            // A server that is gone is leaving, too.
            left = self.leaving.wait_for(|leaving| *leaving) => { drop(left); false }
        }
    }

    /// Whether whoever began this may still read the log, and there still is one.
    async fn may_go_on(&self) -> bool {
        let Ok(principal) = identify(&self.state, &self.request).await else {
            return false;
        };
        let access = Access(principal);
        let job = self.job.to_string();
        self.state
            .job(&access, Action::Read, &job, &["logs"])
            .await
            .is_ok()
    }
}

/// Events whose ids go only forward: a line that came late has the place of the newest one before it.
fn events(newest: LogCursor, lines: &[StoredLogLine]) -> Bytes {
    let mut events = Vec::new();
    let mut place = lines.first().map_or(newest, |line| line.cursor);
    for line in lines {
        place = place.max(line.cursor);
        write_event(&mut events, place, line);
    }
    events.into()
}

fn write_event(events: &mut Vec<u8>, id: LogCursor, line: &StoredLogLine) {
    let json = serde_json::to_string(line).expect("a line of texts and numbers is JSON");
    // Writing to memory does not fail. JSON has no line feeds.
    let _ = write!(events, "id: {id}\ndata: {json}\n\n");
}
