//! Many invocations as points of a chart.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Filter, PART, Reply, State};
use crate::access::Action;
use crate::api::access::Access;
use crate::api::everywhere::{self, OfJob};
use crate::api::input::Query;
use crate::api::reply::{self, Data};
use crate::store::InvocationPoints;

/// Attempts as points of a chart, in columns of the same length; those that came first come first. What has not ended is no point.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InvocationPoints)]
pub(in crate::api) struct Points {
    /// How many ended attempts the points stand for.
    total: i64,
    /// Whether there are more than these: then they are the newest 200,000 that the filter finds.
    more: bool,
    /// Whether points are left out. In each part of their time there are the slowest one, what was no success, and of the rest some.
    sampled: bool,
    /// What `at` counts from.
    from: DateTime<Utc>,
    /// Milliseconds from there to the admission of each.
    at: Vec<i64>,
    /// Milliseconds from its admission to its end.
    duration_ms: Vec<f64>,
    /// How it ended: a place in `statuses`.
    status: Vec<u8>,
    /// How attempts have ended.
    statuses: Vec<String>,
}

/// Attempts at invocations of a job as points of a chart: about 2,000 of them at most, however many there are.
#[utoipa::path(
    get, path = "/api/job/{job}/invocations/points", operation_id = "getInvocationPoints",
    params(Filter),
    responses((status = 200, body = Data<Points>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/invocations"}))),
)]
pub(in crate::api) async fn points(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(filter): Query<Filter>,
) -> Reply {
    let filter = filter.checked()?;
    let job = state.job(&access, Action::Read, &job, &[PART]).await?;
    let found = state.invocations.points(&[job.id], &filter).await?;
    Ok(reply::data(Points::from(found)))
}

/// Attempts at invocations of all jobs of which one may read them, as points of a chart: about 2,000 of them at most.
#[utoipa::path(
    get, path = "/api/invocations/points", operation_id = "getAllInvocationPoints",
    params(OfJob, Filter),
    responses((status = 200, body = Data<Points>)),
)]
pub(in crate::api) async fn points_of_all(
    state: State,
    access: Access,
    Query(of): Query<OfJob>,
    Query(filter): Query<Filter>,
) -> Reply {
    let filter = filter.checked()?;
    let readable = everywhere::readable_jobs(&state, &access, &of, PART).await?;
    let found = state.invocations.points(&readable, &filter).await?;
    Ok(reply::data(Points::from(found)))
}

impl From<InvocationPoints> for Points {
    fn from(found: InvocationPoints) -> Self {
        let from = found.points.first().map_or_else(Utc::now, |point| point.queued);
        let mut statuses: Vec<String> = Vec::new();
        let mut place = |status: &str| {
            let known = statuses.iter().position(|known| known == status);
            let place = known.unwrap_or_else(|| {
                statuses.push(status.to_owned());
                statuses.len() - 1
            });
            u8::try_from(place).expect("there are fewer ways to end")
        };
        Self {
            total: found.total,
            more: !found.complete,
            sampled: i64::try_from(found.points.len()).is_ok_and(|points| points < found.total),
            from,
            at: (found.points.iter())
                .map(|point| (point.queued - from).num_milliseconds())
                .collect(),
            duration_ms: found.points.iter().map(|point| point.duration_ms).collect(),
            status: found.points.iter().map(|point| place(&point.status)).collect(),
            statuses,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;
    use crate::store::InvocationPoint;

    #[test]
    fn points_are_columns() {
        let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let point = |seconds, status: &str| InvocationPoint {
            queued: noon + TimeDelta::seconds(seconds),
            duration_ms: 1.5,
            status: status.to_owned(),
        };
        let points = vec![point(0, "failed"), point(1, "succeeded"), point(3, "failed")];
        let told = Points::from(InvocationPoints {
            total: 4,
            complete: true,
            points,
        });
        let expected = json!({
            "total": 4, "more": false, "sampled": true, "from": noon, "at": [0, 1000, 3000],
            "durationMs": [1.5, 1.5, 1.5], "status": [0, 1, 0], "statuses": ["failed", "succeeded"],
        });
        assert_eq!(serde_json::to_value(told).unwrap(), expected);
    }
}
