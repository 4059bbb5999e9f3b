//! How long a client may take to send a body.

use std::io;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpMessage};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::state::ApiState;

/// The operation whose bodies are large, and which looks after them itself.
const UPLOAD: &str = "/api/job/publish";

/// Ends bodies that take too long, so that a client that sends next to nothing does not keep a connection and a handler.
pub(super) async fn bound_body_time(
    state: Data<ApiState>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.path() != UPLOAD {
        let body = bounded(request.take_payload(), state.config.body_timeout);
        request.set_payload(Payload::Stream {
            payload: Box::pin(body),
        });
    }
    next.call(request).await
}

fn bounded(payload: Payload, time: Duration) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    let over = Instant::now() + time;
    stream::unfold(Some(payload), move |payload| async move {
        let mut payload = payload?;
        match timeout_at(over, payload.next()).await {
            Ok(part) => part.map(|part| (part, Some(payload))),
            Err(_) => {
                let late = io::Error::from(io::ErrorKind::TimedOut);
                Some((Err(PayloadError::Io(late)), None))
            }
        }
    })
    // Whoever reads a body may ask once more after its end.
    .fuse()
}

/// Whether a body ended because it took too long.
pub(super) fn is_late(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::stream::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_ends_late() {
        let silent = stream::iter([Ok(Bytes::from_static(b"{"))]).chain(pending());
        let payload: Pin<Box<dyn Stream<Item = _>>> = Box::pin(silent);
        let mut body = Box::pin(bounded(Payload::Stream { payload }, Duration::from_secs(10)));
        assert_eq!(body.next().await.unwrap().unwrap(), "{");
        let begun = Instant::now();
        assert!(is_late(&body.next().await.unwrap().unwrap_err()));
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        assert!(body.next().await.is_none());
    }
}
