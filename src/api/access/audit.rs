//! What is written down of each change.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest};
use jobber_actors::changes::{Extent, Topic};
use serde::Serialize;
use serde_json::Value;

use crate::access::{Principal, Who};
use crate::api::events::tell_change;
use crate::api::state::ApiState;
use crate::forwarded::Origin;
use crate::store::AuditEntry;

/// What a change has changed. Secrets must not be part of it.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct Change {
    before: Option<Value>,
    after: Option<Value>,
}

impl Change {
    /// Something that was made.
    pub(in crate::api) fn made(after: &impl Serialize) -> Self {
        Self::default().into(after)
    }

    /// Something that was removed.
    pub(in crate::api) fn from(before: &impl Serialize) -> Self {
        Self {
            before: value(before),
            after: None,
        }
    }

    /// What it is now.
    pub(in crate::api) fn into(self, after: &impl Serialize) -> Self {
        Self {
            after: value(after),
            ..self
        }
    }
}

fn value(of: &impl Serialize) -> Option<Value> {
    match serde_json::to_value(of) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::error!(%error, "the audit log can not say what a change has changed");
            None
        }
    }
}

/// Tells the record what this request has changed.
pub(in crate::api) fn note_change(request: &HttpRequest, change: Change) {
    request.extensions_mut().insert(change);
}

/// Does what is asked for, and writes down who asked for it and what came of it.
pub(super) async fn audited<B: MessageBody>(
    state: &ApiState,
    principal: Principal,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut entry = blank(request.request());
    match principal.who {
        Who::Instance => {}
        Who::User { user, name, .. } => (entry.user, entry.username) = (Some(user), Some(name)),
        Who::Token { user, name, token } => {
            (entry.user, entry.username, entry.token) = (Some(user), Some(name), Some(token));
        }
    }
    let answered = next.call(request).await;
    match &answered {
        Ok(response) => {
            let asked = response.request();
            let change = asked.extensions_mut().remove::<Change>().unwrap_or_default();
            (entry.before, entry.after) = (change.before, change.after);
            // Only now it is known which route it was.
            entry.action = action(asked);
            entry.status = response.status().as_u16();
            tell_change(state, asked, response.status()).await;
        }
        Err(error) => entry.status = error.as_response_error().status_code().as_u16(),
    }
    record(state, entry).await;
    answered
}

/// An entry that knows the request.
pub(in crate::api) fn blank(request: &HttpRequest) -> AuditEntry {
    AuditEntry {
        user: None,
        username: None,
        token: None,
        address: address(request),
        action: action(request),
        resource: request.path().to_owned(),
        status: 0,
        before: None,
        after: None,
    }
}

fn action(request: &HttpRequest) -> String {
    let route = request.match_pattern();
    let route = route.as_deref().unwrap_or_else(|| request.path());
    format!("{} {route}", request.method())
}

/// Where a request comes from: the client, as far as the proxies between are trusted.
pub(in crate::api) fn address(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr() else {
        return String::new();
    };
    let state = request.app_data::<Data<ApiState>>();
    let trusted = state.map_or(&[][..], |state| &state.config.trusted_proxies);
    Origin::of(peer.ip(), request.headers(), trusted).ip.to_string()
}

/// Writes an entry. The change stands when that fails: then the server's log has what the record lacks.
pub(in crate::api) async fn record(state: &ApiState, entry: AuditEntry) {
    match state.audit.add(&entry).await {
        Ok(()) => state.tree.changes().tell(Topic::Audit, || Extent::Any),
        Err(error) => tracing::error!(%error, ?entry, "a change is not in the audit log"),
    }
}
