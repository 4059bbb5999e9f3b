//! One request and its answer, from the first byte of the one to the last byte of the other.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use actix_http::Payload;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::connection::{Connection, Expected};
use super::problem::Code;

/// Counts of the gateway, for the tree page and metrics.
#[derive(Debug)]
pub struct Gauges {
    in_flight: AtomicUsize,
    requests: AtomicU64,
    refused: [AtomicU64; Code::ALL.len()],
}

/// What [`Gauges`] stood at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GaugeReading {
    /// Invocations under way, streamed answers included.
    pub in_flight: usize,
    /// Requests since the start.
    pub requests: u64,
    /// Answers that were not a function's, by code; codes that never occurred are left out.
    pub refused: Vec<(&'static str, u64)>,
}

impl Default for Gauges {
    fn default() -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Gauges {
    /// Reads all of them.
    #[must_use]
    pub fn read(&self) -> GaugeReading {
        GaugeReading {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            refused: Code::ALL
                .iter()
                .map(|code| {
                    (
                        code.as_str(),
                        self.refused[*code as usize].load(Ordering::Relaxed),
                    )
                })
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, code: Code) {
        self.refused[code as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// A place among the server's invocations; given back by being dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    gauges: Arc<Gauges>,
}

impl InFlight {
    /// `None` when `limit` are under way already.
    pub(crate) fn take(gauges: &Arc<Gauges>, limit: usize) -> Option<Self> {
        let before = gauges.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Self {
            gauges: Arc::clone(gauges),
        };
        (before < limit).then_some(place)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauges.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lives as long as a request is being served. When it is dropped, the connection may bring the next one.
pub(crate) struct Exchange {
    connection: Option<Rc<Connection>>,
    in_flight: Option<InFlight>,
    /// A place in memory for what is answered.
    memory: Option<OwnedSemaphorePermit>,
    leftover: Option<Payload>,
}

impl Exchange {
    /// Lets the request's body in. A request has no connection in tests of parts only.
    pub(crate) fn begin(connection: Option<Rc<Connection>>, expected: Expected) -> Self {
        if let Some(connection) = &connection {
            connection.begin(expected);
        }
        Self {
            connection,
            in_flight: None,
            memory: None,
            leftover: None,
        }
    }

    /// Holds the invocation's place until the answer was written.
    pub(crate) fn hold(&mut self, place: InFlight) {
        self.in_flight = Some(place);
    }

    /// Holds a place in memory until the answer was written.
    pub(crate) fn hold_memory(&mut self, place: OwnedSemaphorePermit) {
        self.memory = Some(place);
    }

    /// The request's body was not read to its end. Holding the payload makes the HTTP layer close the connection in
    /// good order (write the answer, read on for a while, close) instead of waiting for the rest.
    pub(crate) fn keep(&mut self, leftover: Payload) {
        self.leftover = Some(leftover);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.finish(self.leftover.is_some());
        }
    }
}
