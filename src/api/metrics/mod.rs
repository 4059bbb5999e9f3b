//! How much there is of everything: for Prometheus, and at a glance.

mod by_job;
mod exposition;
mod figures;
mod series;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use self::figures::{Counts, Figures};
use super::access::Access;
use super::problem::ApiError;
use super::reply::{self, Data};
use super::state::ApiState;
use crate::access::{Action, Resource};
use crate::store::JobCounts;

/// Everything at a glance. Invocations are counted since this server started.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Overview {
    /// Jobber's version.
    version: &'static str,
    /// Nothing while the database does not answer.
    jobs: Option<JobCounts>,
    /// Runners by how far they have come.
    runners: Counts,
    /// Invocations by how they ended.
    invocations: Counts,
    /// Requests that found no place in a queue.
    turned_away: u64,
    /// Invocations that wait for a runner.
    waiting: u64,
    /// Invocations that a runner works on.
    running: u64,
    /// Deliveries in the durable queue, dead letters included. Nothing while the database does not answer.
    deliveries: Option<i64>,
    /// How often the actors that are there now were restarted.
    restarts: u64,
    /// Log lines that were dropped because they could not be kept in time.
    dropped_log_lines: u64,
}

/// All numbers in the text format of Prometheus.
#[utoipa::path(
    get, path = "/api/metrics", operation_id = "getMetrics",
    responses((status = 200, body = String, content_type = "text/plain")),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/metrics/prometheus"}))),
)]
pub(super) async fn prometheus(state: web::Data<ApiState>, access: Access) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &resource("prometheus"))?;
    let figures = Figures::gather(&state).await;
    Ok(HttpResponse::Ok()
        .content_type(exposition::CONTENT_TYPE)
        .body(exposition::text(figures)))
}

/// The most important numbers.
#[utoipa::path(
    get, path = "/api/metrics/overview", operation_id = "getMetricsOverview",
    responses((status = 200, body = Data<Overview>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "system/metrics/overview"}))),
)]
pub(super) async fn overview(state: web::Data<ApiState>, access: Access) -> Result<HttpResponse, ApiError> {
    access.require(Action::Read, &resource("overview"))?;
    let figures = Figures::gather(&state).await;
    let queues = figures.stored.as_ref().map(|stored| &stored.queues);
    Ok(reply::data(Overview {
        version: env!("CARGO_PKG_VERSION"),
        jobs: figures.stored.as_ref().map(|stored| stored.jobs),
        runners: figures.runners(),
        invocations: figures.invocations(),
        turned_away: figures.jobs.iter().map(|job| job.tally.turned_away()).sum(),
        waiting: figures
            .lanes
            .iter()
            .map(|lane| u64::from(lane.gauge.waiting))
            .sum(),
        running: figures
            .lanes
            .iter()
            .map(|lane| u64::from(lane.gauge.running))
            .sum(),
        deliveries: queues.map(|queues| queues.iter().map(|queue| queue.deliveries).sum()),
        restarts: figures.restarts.values().sum(),
        dropped_log_lines: figures.logs.dropped,
    }))
}

pub(super) use by_job::*;
pub(super) use series::*;

fn resource(which: &str) -> Resource {
    Resource::of("system").below("metrics").below(which)
}
