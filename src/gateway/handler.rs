//! The hot path: one request from its head to its answer.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use actix_http::body::BoxBody;
use actix_http::{HttpMessage, Method, Payload, Request, Response};
use bytes::Bytes;
use jobber_actors::domain::InvocationId;
use jobber_actors::invocation::{Input, InputBody, Invocation, Outcome, PendingReply, reply_channel};
use jobber_actors::routing::is_reserved;
use tokio::time::Instant;

use super::admission::{Admitted, Deferred, admit, body_too_large, defer, origin};
use super::answer::{Asked, answer, refuse};
use super::body::AnswerBody;
use super::calls::{self, Accept, wants_later};
use super::connection::{Connection, Expected};
use super::exchange::Exchange;
use super::problem::{Code, Problem};
use super::request::{authority, expected_body, http_input, is_http_10, trace_context};
use super::upload::{Upload, UploadError, discard, read_whole};
use super::{Destination, Shared, reserved};
use crate::calls::{Calls, PREFIX};

/// A request that is being served, and what was decided about it.
struct Begun<T> {
    asked: Asked,
    expected: Expected,
    exchange: Exchange,
    admitted: Result<Place<T>, Problem>,
}

/// What a request is let in for.
enum Place<T> {
    /// To be answered by the function.
    Now(Admitted<T>),
    /// To be accepted, and answered by the function later.
    Later(Calls, Deferred<T>),
}

fn begin<T: Destination>(shared: &Shared<T>, request: &Request) -> Begun<T> {
    shared.gauges.request();
    let head = request.head();
    let expected = expected_body(head);
    let asked = asked(request);
    Begun {
        admitted: match &shared.calls {
            Some(calls) if wants_later(head) => {
                defer(shared, calls, head).map(|deferred| Place::Later(calls.clone(), deferred))
            }
            _ => admit(shared, head, asked.invocation).map(Place::Now),
        },
        asked,
        expected,
        exchange: Exchange::begin(request.conn_data::<Rc<Connection>>().cloned(), expected),
    }
}

fn asked(request: &Request) -> Asked {
    let head = request.head();
    Asked {
        invocation: InvocationId::generate(),
        head_only: head.method == Method::HEAD,
        http_10: is_http_10(head),
        upgrade_ignored: head.upgrade(),
    }
}

/// A refusal of a request whose client waits for `100 Continue`.
pub(crate) struct NotContinued(Response<AnswerBody>);

impl From<NotContinued> for Response<BoxBody> {
    fn from(refused: NotContinued) -> Self {
        refused.0.map_into_boxed_body()
    }
}

/// Decides about a request before its client is told to send the body.
pub(crate) async fn expect<T: Destination>(
    shared: Arc<Shared<T>>,
    mut request: Request,
) -> Result<Request, NotContinued> {
    if is_reserved(request.path()) {
        return Ok(request);
    }
    let mut begun = begin(&shared, &request);
    match begun.admitted {
        Err(problem) => {
            begun.exchange.keep(request.take_payload());
            Err(NotContinued(refuse(
                problem.closing(),
                begun.asked,
                &shared.gauges,
                None,
                begun.exchange,
            )))
        }
        Ok(_) => {
            request.extensions_mut().insert(begun);
            Ok(request)
        }
    }
}

/// Serves one request.
pub(crate) async fn serve<T: Destination>(
    shared: Arc<Shared<T>>,
    mut request: Request,
) -> Result<Response<AnswerBody>, actix_http::Error> {
    let begun = request
        .head()
        .expect()
        .then(|| request.extensions_mut().remove::<Begun<T>>())
        .flatten();
    let mut begun = match begun {
        Some(begun) => begun,
        None if is_reserved(request.path()) => return Ok(serve_reserved(&shared, &mut request).await),
        None => begin(&shared, &request),
    };
    let mut payload = request.take_payload();
    let response = match begun.admitted {
        Ok(Place::Later(calls, deferred)) => {
            let request = request.head();
            let accept = Accept {
                asked: begun.asked,
                expected: begun.expected,
                deferred,
            };
            accept
                .run(&shared, &calls, request, payload, begun.exchange)
                .await
        }
        Ok(Place::Now(admitted)) => {
            let call = Call {
                asked: begun.asked,
                expected: begun.expected,
                admitted,
            };
            call.run(&shared, &request, payload, begun.exchange).await
        }
        Err(problem) => {
            let unread = begun.expected != Expected::Bytes(0);
            let small =
                matches!(begun.expected, Expected::Bytes(bytes) if bytes <= shared.config.inline_body_bytes);
            if unread && !(small && discard(&mut payload).await) {
                begun.exchange.keep(payload);
            }
            refuse(problem, begun.asked, &shared.gauges, None, begun.exchange)
        }
    };
    Ok(response)
}

async fn serve_reserved<T>(shared: &Shared<T>, request: &mut Request) -> Response<AnswerBody> {
    shared.gauges.request();
    let expected = expected_body(request.head());
    let mut exchange = Exchange::begin(request.conn_data::<Rc<Connection>>().cloned(), expected);
    if expected != Expected::Bytes(0) {
        exchange.keep(request.take_payload());
    }
    let asked = asked(request);
    match &shared.calls {
        Some(calls) if request.path().starts_with(PREFIX) => {
            calls::serve(shared, calls, request.head(), asked, exchange).await
        }
        _ => reserved::serve(shared, request.head(), asked, exchange),
    }
}

/// An admitted request on its way to its function.
struct Call<T> {
    asked: Asked,
    expected: Expected,
    admitted: Admitted<T>,
}

impl<T: Destination> Call<T> {
    async fn run(
        self,
        shared: &Shared<T>,
        request: &Request,
        payload: Payload,
        mut exchange: Exchange,
    ) -> Response<AnswerBody> {
        let Self {
            asked,
            expected,
            admitted,
        } = self;
        let Admitted {
            target,
            params,
            permit,
            place,
        } = admitted;
        exchange.hold(place);
        let (body, mut upload) = match input_body(payload, expected, shared).await {
            Ok(body) => body,
            Err((error, payload)) => {
                exchange.keep(payload);
                return refuse(
                    upload_failed(&error, shared),
                    asked,
                    &shared.gauges,
                    None,
                    exchange,
                );
            }
        };
        let head = request.head();
        let origin = origin(head, &shared.config);
        let host = authority(head, &origin).unwrap_or(&shared.authority);
        let (reply, pending) = reply_channel();
        target.invoke(Invocation {
            id: asked.invocation,
            attempt: 1,
            trace: trace_context(&head.headers),
            trigger: target.trigger().clone(),
            input: Input::Http {
                http: Box::new(http_input(head, &origin, host, params, expected)),
            },
            body,
            admitted: Instant::now(),
            reply,
            permit,
        });
        match outcome(pending, upload.as_mut()).await {
            Ok(outcome) => answer(outcome, asked, &shared.config, &shared.gauges, upload, exchange),
            Err(error) => refuse(
                upload_failed(&error, shared),
                asked,
                &shared.gauges,
                upload,
                exchange,
            ),
        }
    }
}

/// A small body as a whole, a large one as a pipe and its pump.
async fn input_body<T>(
    mut payload: Payload,
    expected: Expected,
    shared: &Shared<T>,
) -> Result<(InputBody, Option<Upload>), (UploadError, Payload)> {
    match expected {
        Expected::Bytes(0) => Ok((InputBody::Whole(Bytes::new()), None)),
        Expected::Bytes(length) if length <= shared.config.inline_body_bytes => {
            // A body that fits into memory has a length that does.
            let length = usize::try_from(length).unwrap_or_default();
            match read_whole(&mut payload, length, shared.config.body_timeout).await {
                Ok(bytes) => Ok((InputBody::Whole(bytes), None)),
                Err(error) => Err((error, payload)),
            }
        }
        _ => {
            let (upload, receiver) = Upload::new(payload, &shared.config);
            Ok((InputBody::Stream(receiver), Some(upload)))
        }
    }
}

/// Waits for the answer while the body goes in. When the body fails first, dropping the pending reply cancels the
/// invocation.
async fn outcome(pending: PendingReply, upload: Option<&mut Upload>) -> Result<Outcome, UploadError> {
    let Some(upload) = upload else {
        return Ok(pending.outcome().await);
    };
    let mut answer = pin!(pending.outcome());
    std::future::poll_fn(|cx| {
        if let Poll::Ready(outcome) = answer.as_mut().poll(cx) {
            return Poll::Ready(Ok(outcome));
        }
        match upload.poll_pump(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn upload_failed<T>(error: &UploadError, shared: &Shared<T>) -> Problem {
    upload_failed_of(error, shared, || body_too_large(&shared.config))
}

/// What is said of a body that did not arrive.
pub(crate) fn upload_failed_of<T>(
    error: &UploadError,
    shared: &Shared<T>,
    too_large: impl FnOnce() -> Problem,
) -> Problem {
    let problem = match error {
        UploadError::TooLarge => too_large(),
        UploadError::TimedOut => {
            let seconds = shared.config.body_timeout.as_secs_f32();
            Problem::new(
                Code::RequestTimeout,
                format!("The body did not arrive within {seconds} s."),
            )
        }
        UploadError::Broken => Problem::new(Code::BadRequest, "The body is not what the header announces."),
    };
    problem.closing()
}
