//! Whether the server is well, for load balancers and for people.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;

use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data, Described};
use super::schemas::Actor;
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::health::{Alive, Check, CheckStatus, Port, Reason, Report};

/// The process answers. Also when much is amiss: whoever restarts what is not alive would only make it worse.
#[utoipa::path(
    get, path = "/healthz", operation_id = "isAlive",
    tag = "server",
    security(()),
    responses((status = 200, body = Described<Alive>)),
)]
pub(super) async fn alive(state: web::Data<ApiState>) -> HttpResponse {
    reply::described("alive", state.health.report(Port::Admin).alive())
}

/// Whether requests should come here: what is checked, and what was found in the last second.
#[utoipa::path(
    get, path = "/readyz", operation_id = "isReady",
    tag = "server",
    security(()),
    responses((status = 200, body = Described<Report>), (status = 503)),
)]
pub(super) async fn ready(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let report = state.health.report(Port::Admin);
    if report.is_ready() {
        return Ok(reply::described("ready", report));
    }
    let failed = report
        .checks
        .iter()
        .filter(|check| check.status == CheckStatus::Failed);
    let failed: Vec<_> = failed
        .filter_map(|check| check.reason.map(|reason| sentence(check.check, reason)))
        .collect();
    let problem = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", failed.join("; "));
    Err(problem.with("data", json!(report)))
}

/// A check that failed, in words.
fn sentence(check: Check, reason: Reason) -> String {
    let name = match check {
        Check::Server => "the server",
        Check::Database => "the database",
        Check::Catalogue => "the catalogue of jobs",
        Check::Engine => "the engine of the runners",
        Check::LogStore => "the store of log lines",
        Check::Gateway => "the gateway",
        Check::Jobs => "some jobs",
        Check::Brokers => "some brokers",
    };
    let what = match reason {
        Reason::ShuttingDown => "goes down",
        Reason::Starting => "is not known yet",
        Reason::Unavailable => "is not available",
        Reason::TimedOut => "does not answer in time",
        Reason::NotChecked => "was not looked at for a while",
        Reason::NotKept => "does not keep what it is given",
        Reason::NotServed => "is not served",
        Reason::NoRunners => "have no runners",
        Reason::NotConnected => "are not connected",
    };
    format!("{name} {what}")
}

/// Every actor with its state, restarts and last failure.
#[utoipa::path(
    get, path = "/api/debug/tree", operation_id = "getSupervisionTree",
    tag = "server",
    responses((status = 200, body = Data<Actor>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/supervision"}))),
)]
pub(super) async fn tree(state: web::Data<ApiState>, access: Access) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &Resource::of("system").below("supervision"))?;
    Ok(reply::data(state.tree.snapshot().await))
}
