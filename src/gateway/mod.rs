//! The HTTP gateway: the port on which functions answer.
//!
//! The way of a request: its head is parsed → the route table names a trigger → the server and the function's action
//! give it a place, or it is refused before any of its body is read → its body goes to the function, whole if it is
//! small, as a stream if not → the function's answer goes back as it is. Everything else is a problem document
//! (RFC 9457) with a stable code; `docs/reference/errors/` has a page for each.

mod admission;
mod answer;
mod body;
mod calls;
mod config;
mod connection;
mod exchange;
mod handler;
mod problem;
mod rejection;
mod request;
mod reserved;
mod server;
#[cfg(test)]
mod tests;
mod upload;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
pub use config::GatewayConfig;
pub use exchange::{GaugeReading, Gauges};
use jobber_actors::action::Permit;
use jobber_actors::domain::{InvocationId, JobId};
use jobber_actors::gateway::RouteTarget;
use jobber_actors::invocation::{Invocation, Refusal, TriggerRef};
use jobber_actors::routing::RouteTable;
pub use problem::{Code, PAGES};
pub(crate) use request::{is_authority, is_hop_by_hop, value_of};
pub use server::Gateway;

use crate::calls::Calls;
use crate::health::Health;

/// What a route leads to: a trigger and the action behind it.
pub trait Destination: Clone + Send + Sync + 'static {
    /// Which trigger it is.
    fn trigger(&self) -> &TriggerRef;

    /// Whose it is.
    fn job(&self) -> JobId;

    /// Asks for a place in the action's lane.
    ///
    /// # Errors
    /// The [`Refusal`] to answer with.
    fn admit(&self) -> Result<Permit, Refusal>;

    /// Has a request recorded that found no place.
    fn record_refused(&self, id: InvocationId, refusal: &Refusal, method: &str, target: &str);

    /// Hands an admitted invocation over. Does not block; the invocation's reply slot answers.
    fn invoke(&self, invocation: Invocation);
}

/// What all workers share.
struct Shared<T> {
    config: GatewayConfig,
    routes: Arc<ArcSwap<RouteTable<T>>>,
    gauges: Arc<Gauges>,
    health: Health,
    /// Asynchronous calls, where they can be made.
    calls: Option<Calls>,
    /// Where the gateway listens: the host of clients that name none.
    authority: String,
}

impl<T> Shared<T> {
    fn new(
        config: GatewayConfig,
        routes: Arc<ArcSwap<RouteTable<T>>>,
        health: Health,
        address: SocketAddr,
    ) -> Self {
        Self {
            config,
            routes,
            gauges: Arc::default(),
            health,
            calls: None,
            authority: address.to_string(),
        }
    }
}

impl Destination for RouteTarget {
    fn trigger(&self) -> &TriggerRef {
        &self.trigger
    }

    fn job(&self) -> JobId {
        self.job
    }

    fn admit(&self) -> Result<Permit, Refusal> {
        self.action.admit()
    }

    fn record_refused(&self, id: InvocationId, refusal: &Refusal, method: &str, target: &str) {
        self.action
            .record_refused(id, &self.trigger, refusal, method, target);
    }

    fn invoke(&self, invocation: Invocation) {
        self.action.invoke(invocation);
    }
}
