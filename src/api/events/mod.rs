//! What changes, as server-sent events: hints from which whoever hears them reads again what they show.

mod gathered;
mod lookout;
mod stream;
mod told;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

pub(super) use self::lookout::Lookout;
use self::stream::EventStream;
pub(super) use self::told::tell_change;
use super::access::Access;
use super::ending::Ending;
use super::input::Query;
use super::problem::ApiError;
use super::state::ApiState;

type Reply = Result<HttpResponse, ApiError>;
type State = web::Data<ApiState>;

/// What changes on this server, as server-sent events (`text/event-stream`). An event `changed` has JSON as its `data`: `topic` says what has
/// changed (`actors`, `api-tokens`, `audit`, `backups`, `environment`, `figures`, `health`, `invocations`, `jobs`, `logs`, `queue`, `replays`,
/// `runners`,
/// `store`, `triggers`, `users`, `versions`), and `jobs` has the ids of the jobs of which it has, or is null if it belongs to no job or that is
/// not known. An event `missed` says that more has changed than could be told. What has changed is read by the other operations. Changes are
/// told four times a second at most, and only to whoever may read what has changed; what changes while nobody listens is not told later.
#[utoipa::path(
    get, path = "/api/events", operation_id = "followEvents",
    tag = "server",
    params(Ending),
    responses((status = 200, body = String, content_type = "text/event-stream")),
)]
pub(super) async fn follow(
    state: State,
    access: Access,
    request: HttpRequest,
    Query(ending): Query<Ending>,
) -> Reply {
    let end = ending.at()?;
    let slot = Arc::clone(&state.followers).try_acquire_owned();
    let slot = slot.map_err(|_| ApiError::busy("too many streams of events or logs are being followed"))?;
    let stream = EventStream::begin(state, access, request, end, slot).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        // Proxies of the nginx kind would keep events until there are many.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream.events()))
}
