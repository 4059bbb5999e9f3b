//! What each of many jobs came to lately, for a table of jobs.

use chrono::{DateTime, TimeDelta, Utc};
use jobber_actors::domain::JobId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::series::{PART, Reply, State, milliseconds};
use crate::api::access::Access;
use crate::api::everywhere::{self, OfJob};
use crate::api::input::{Query, moment};
use crate::api::reply::{self, Data};
use crate::store::{JobFigures, SeriesRange};

/// Most points of each job's chart, which is as small as a word.
const MOST_POINTS: u32 = 48;
/// How far figures go back unless it is said, and how far their points are apart.
const LOOK_BACK: TimeDelta = TimeDelta::hours(24);
const STEP: u32 = 3_600;

/// Of which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// From then on; without it, for 24 hours. It is rounded down to a whole point.
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Until then; without it, until now.
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
}

/// What jobs came to over a span. Jobs of which nothing ended in it are left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FiguresByJob)]
pub(crate) struct ByJob {
    /// The time of the first point.
    from: DateTime<Utc>,
    /// When the last point ends. The last minutes may still be missing.
    to: DateTime<Utc>,
    /// How far the points are apart: an hour, or longer where there would be more than 48 points.
    step_seconds: u32,
    jobs: Vec<OfOne>,
}

/// What a job came to over the span. Percentiles are of the whole span, estimated between the bounds of its histogram.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FiguresOfJob)]
struct OfOne {
    #[schema(value_type = uuid::Uuid)]
    job_id: JobId,
    /// Invocations that ended, and requests that found no place in the queue.
    count: u64,
    /// Those of them that went wrong: that neither succeeded nor were cancelled.
    errors: u64,
    /// Which part of all that was, from 0 to 1.
    error_share: Option<f64>,
    /// Invocations that waited for a new runner.
    cold_starts: u64,
    /// Which part of all invocations that was, from 0 to 1.
    cold_start_share: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// `count` of each point.
    counts: Vec<u64>,
    /// `errors` of each point.
    error_counts: Vec<u64>,
}

/// What the invocations of each job came to in the last 24 hours, or in another span: of all jobs of which one may read that.
#[utoipa::path(
    get, path = "/api/metrics/jobs", operation_id = "getMetricsByJob",
    params(OfJob, Span),
    responses((status = 200, body = Data<ByJob>)),
)]
pub(crate) async fn by_job(
    state: State,
    access: Access,
    Query(of): Query<OfJob>,
    Query(span): Query<Span>,
) -> Reply {
    let to = span.to.unwrap_or_else(Utc::now);
    let earlier = || to.checked_sub_signed(LOOK_BACK).unwrap_or(to);
    let range = SeriesRange::covering(span.from.unwrap_or_else(earlier), to, STEP, MOST_POINTS);
    let jobs = everywhere::readable_jobs(&state, &access, &of, PART).await?;
    let figures = state.metrics.rollups.of_jobs(&jobs, &range).await?;
    Ok(reply::data(ByJob {
        from: range.from(),
        to: range.to(),
        step_seconds: range.step().seconds(),
        jobs: figures
            .into_iter()
            .map(|(job, figures)| OfOne::of(job, figures))
            .collect(),
    }))
}

impl OfOne {
    fn of(job_id: JobId, figures: JobFigures) -> Self {
        let (count, errors): (u64, u64) = (figures.counts.iter().sum(), figures.errors.iter().sum());
        let invocations = figures.total.count();
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let percentile = |part| figures.total.percentile(part).map(milliseconds);
        Self {
            job_id,
            count,
            errors,
            error_share: share(errors, count),
            cold_starts: figures.cold_starts,
            cold_start_share: share(figures.cold_starts, invocations),
            p50_ms: percentile(0.5),
            p95_ms: percentile(0.95),
            p99_ms: percentile(0.99),
            counts: figures.counts,
            error_counts: figures.errors,
        }
    }
}
