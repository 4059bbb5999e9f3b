//! Whether a request is served at all, decided before any of its body is read.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use actix_http::RequestHead;
use jobber_actors::action::Permit;
use jobber_actors::domain::InvocationId;
use jobber_actors::invocation::Refusal;
use jobber_actors::routing::Lookup;

use super::config::GatewayConfig;
use super::connection::Expected;
use super::exchange::InFlight;
use super::problem::{Code, Problem};
use super::request::{authority, expected_body, is_authority, is_target, switches_protocol};
use super::{Destination, Shared};
use crate::calls::Calls;
use crate::forwarded::Origin;

/// A request that a function is going to get.
pub(crate) struct Admitted<T> {
    pub(crate) target: T,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) permit: Permit,
    pub(crate) place: InFlight,
}

/// Who the client is.
pub(crate) fn origin<'a>(head: &'a RequestHead, config: &GatewayConfig) -> Origin<'a> {
    // A connection without an address is one that has ended already.
    let peer = head
        .peer_addr
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    Origin::of(peer, &head.headers, &config.trusted_proxies)
}

/// A request that a function is going to get later.
pub(crate) struct Deferred<T> {
    pub(crate) target: T,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) place: InFlight,
}

/// Finds the function and asks for a place with the server. The function's own queue is not asked: what is accepted waits elsewhere.
pub(crate) fn defer<T: Destination>(
    shared: &Shared<T>,
    calls: &Calls,
    head: &RequestHead,
) -> Result<Deferred<T>, Problem> {
    check_form(head, &shared.config)?;
    let most = calls.config().max_body;
    if matches!(expected_body(head), Expected::Bytes(bytes) if bytes > most) {
        return Err(body_over(most));
    }
    let (target, params) = find(shared, head)?;
    let place = place(shared)?;
    Ok(Deferred {
        target,
        params,
        place,
    })
}

/// Finds the function and asks for a place with the server and with the function.
pub(crate) fn admit<T: Destination>(
    shared: &Shared<T>,
    head: &RequestHead,
    id: InvocationId,
) -> Result<Admitted<T>, Problem> {
    check_form(head, &shared.config)?;
    check_body(head, &shared.config)?;
    let (target, params) = find(shared, head)?;
    let place = place(shared)?;
    let permit = target.admit().map_err(|refusal| {
        target.record_refused(id, &refusal, head.method.as_str(), head.uri.path());
        refused(refusal, &shared.config)
    })?;
    Ok(Admitted {
        target,
        params,
        permit,
        place,
    })
}

/// A place with the server.
pub(crate) fn place<T>(shared: &Shared<T>) -> Result<InFlight, Problem> {
    InFlight::take(&shared.gauges, shared.config.max_in_flight).ok_or_else(|| {
        let detail = format!(
            "{} requests are under way; the server takes no more.",
            shared.config.max_in_flight
        );
        Problem::new(Code::ServerBusy, detail).with_retry_after(shared.config.retry_after_seconds())
    })
}

fn check_form(head: &RequestHead, config: &GatewayConfig) -> Result<(), Problem> {
    if switches_protocol(head) {
        let detail = "Neither CONNECT nor WebSockets are served here.";
        return Err(Problem::new(Code::NotImplemented, detail).closing());
    }
    if !is_target(head) {
        return Err(Problem::new(
            Code::BadRequest,
            "The target of the request is not a path.",
        ));
    }
    let count = head.headers.len();
    if count > config.max_header_count {
        let detail = format!(
            "The header has {count} fields; at most {} are taken.",
            config.max_header_count
        );
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    let bytes: usize = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > config.max_header_bytes {
        let detail = format!(
            "The header has {bytes} bytes; at most {} are taken.",
            config.max_header_bytes
        );
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    Ok(())
}

fn check_body(head: &RequestHead, config: &GatewayConfig) -> Result<(), Problem> {
    match expected_body(head) {
        Expected::Bytes(bytes) if bytes > config.max_body_bytes => Err(body_too_large(config)),
        _ => Ok(()),
    }
}

/// The refusal of a body, also of one that turns out to be too large while it comes in.
pub(crate) fn body_too_large(config: &GatewayConfig) -> Problem {
    body_over(config.max_body_bytes)
}

/// The refusal of a body of more than so many bytes.
pub(crate) fn body_over(most: u64) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("At most {most} bytes are taken."))
}

fn find<T: Destination>(
    shared: &Shared<T>,
    head: &RequestHead,
) -> Result<(T, BTreeMap<String, String>), Problem> {
    let origin = origin(head, &shared.config);
    let host = authority(head, &origin);
    if host.is_some_and(|host| !is_authority(host)) {
        return Err(Problem::new(
            Code::BadRequest,
            "The host is not a host name or an address.",
        ));
    }
    let routes = shared.routes.load();
    match routes.lookup(host, head.method.as_str(), head.uri.path()) {
        Lookup::Found { target, params } => Ok((target.clone(), params)),
        Lookup::NoRoute => Err(Problem::new(
            Code::NoRoute,
            "No HTTP trigger matches this host and path.",
        )),
        Lookup::MethodNotAllowed { allow } => {
            let detail = format!(
                "Triggers match this host and path, but not the method {}.",
                head.method
            );
            Err(Problem::new(Code::MethodNotAllowed, detail).with_allow(&allow))
        }
    }
}

/// What the caller of a function hears that did not take the call.
pub(crate) fn refused(refusal: Refusal, config: &GatewayConfig) -> Problem {
    let retry_after = config.retry_after_seconds();
    match refusal {
        Refusal::QueueFull { limit } => {
            let detail = format!("{limit} requests are waiting for this function; it takes no more.");
            Problem::new(Code::QueueFull, detail).with_retry_after(retry_after)
        }
        Refusal::ShuttingDown => Problem::new(Code::ShuttingDown, "The function takes no more requests.")
            .with_retry_after(retry_after),
        Refusal::HeadTooLarge => Problem::new(
            Code::HeadersTooLarge,
            "The request's URL and header together are more than a function can be given (64 KiB).",
        ),
        Refusal::NoRunner(reason) => {
            let detail = if config.expose_errors {
                format!("No runner can be started: {reason}")
            } else {
                "No runner can be started for this function; the job's log says why.".to_owned()
            };
            Problem::new(Code::NoRunner, detail).with_retry_after(retry_after)
        }
        Refusal::LoadFailed(error) => {
            let problem = Problem::new(
                Code::LoadFailed,
                "Importing the function's module failed; the job's log says why.",
            );
            if config.expose_errors {
                problem.with_error(error)
            } else {
                problem
            }
        }
    }
}
