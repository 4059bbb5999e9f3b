//! What invocations came to over time, as points of a chart.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use jobber_actors::metrics::HistogramView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Action;
use crate::api::access::Access;
use crate::api::everywhere::{self, OfJob};
use crate::api::input::{Query, moment};
use crate::api::problem::ApiError;
use crate::api::reply::{self, Data};
use crate::api::state::ApiState;
use crate::store::{SeriesBucket, SeriesFilter, SeriesRange, Step, TriggerType};

pub(super) type Reply = Result<HttpResponse, ApiError>;
pub(super) type State = web::Data<ApiState>;

/// What permissions call it.
pub(super) const PART: &str = "metrics";
/// Most points of a chart: more than there are columns on most screens.
const MOST_POINTS: u32 = 1_500;
/// How far a chart goes back unless it is said.
const LOOK_BACK: TimeDelta = TimeDelta::hours(1);

/// Which points.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// From then on; without it, for an hour.
    #[serde(default, deserialize_with = "moment")]
    from: Option<DateTime<Utc>>,
    /// Until then; without it, until now.
    #[serde(default, deserialize_with = "moment")]
    to: Option<DateTime<Utc>>,
    /// How far the points are at least apart, in seconds. It becomes a length of which a day has a whole number, and longer where
    /// there would be more than 1,500 points.
    #[param(minimum = 60, maximum = 86400, default = 60)]
    step: Option<u32>,
    /// What one kind of trigger started.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Option<TriggerType>,
}

/// What invocations came to over time. Every point is there, whether anything happened or not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MetricSeries)]
pub(crate) struct Series {
    /// The time of the first point.
    from: DateTime<Utc>,
    /// When the last point ends. The last minutes may still be missing: what a minute came to is kept when it is over.
    to: DateTime<Utc>,
    /// How far the points are apart.
    step_seconds: u32,
    points: Vec<Point>,
    /// The same of all points together. Its percentiles are those of the whole time, not means of the points' ones.
    whole: Point,
}

/// What invocations came to within one step.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MetricPoint)]
struct Point {
    /// When it begins.
    at: DateTime<Utc>,
    succeeded: u64,
    /// The handler threw.
    failed: u64,
    /// With their runner.
    lost: u64,
    timed_out: u64,
    /// Admitted, but no runner could be had.
    refused: u64,
    /// Whoever had asked for it gave up.
    cancelled: u64,
    /// Requests that found no place in the queue; they are no invocations.
    turned_away: u64,
    /// Invocations that waited for a new runner.
    cold_starts: u64,
    /// Which part of all invocations that was, from 0 to 1; null without any.
    cold_start_share: Option<f64>,
    /// How long they waited for it, on average.
    cold_start_ms: Option<f64>,
    /// From the admission to the answer.
    total: Times,
    /// In the queue; waiting for a new runner is not in it.
    queue: Times,
    /// With the runner.
    handler: Times,
    /// The most that waited for a runner at the same time, in minutes in which something ended.
    most_waiting: u64,
    /// The most that runners worked on at the same time.
    most_running: u64,
    /// The most runners that served at the same time.
    most_runners: u64,
}

/// How long things took, in milliseconds; null where nothing happened. Percentiles are estimated between the bounds of the histogram.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MetricTimes)]
struct Times {
    mean_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// What invocations of a job came to over time.
#[utoipa::path(
    get, path = "/api/job/{job}/metrics/series", operation_id = "getMetricSeries",
    params(Range),
    responses((status = 200, body = Data<Series>)),
    extensions(("x-permission" = json!({"action": "read", "resource": "job/{job}/metrics"}))),
)]
pub(crate) async fn series(
    state: State,
    access: Access,
    job: web::Path<String>,
    Query(range): Query<Range>,
) -> Reply {
    let (range, kind) = range.checked()?;
    let job = state.job(&access, Action::Read, &job, &[PART]).await?;
    let jobs = vec![job.id];
    answer(&state, SeriesFilter { jobs, kind }, &range).await
}

/// What invocations of all jobs came to over time of which one may read that.
#[utoipa::path(
    get, path = "/api/metrics/series", operation_id = "getAllMetricSeries",
    params(OfJob, Range),
    responses((status = 200, body = Data<Series>)),
)]
pub(crate) async fn all_series(
    state: State,
    access: Access,
    Query(of): Query<OfJob>,
    Query(range): Query<Range>,
) -> Reply {
    let (range, kind) = range.checked()?;
    let jobs = everywhere::readable_jobs(&state, &access, &of, PART).await?;
    answer(&state, SeriesFilter { jobs, kind }, &range).await
}

async fn answer(state: &ApiState, filter: SeriesFilter, range: &SeriesRange) -> Reply {
    let buckets = state.metrics.rollups.series(&filter, range).await?;
    let mut whole = SeriesBucket::default();
    for bucket in &buckets {
        whole.merge(bucket);
    }
    let points = range.times().zip(buckets);
    Ok(reply::data(Series {
        from: range.from(),
        to: range.to(),
        step_seconds: range.step().seconds(),
        points: points.map(|(at, bucket)| Point::of(at, &bucket)).collect(),
        whole: Point::of(range.from(), &whole),
    }))
}

impl Range {
    fn checked(self) -> Result<(SeriesRange, Option<TriggerType>), ApiError> {
        let step = self.step.unwrap_or(Step::SHORTEST.seconds());
        if !(Step::SHORTEST.seconds()..=Step::LONGEST.seconds()).contains(&step) {
            let message = format!(
                "must be {} to {}",
                Step::SHORTEST.seconds(),
                Step::LONGEST.seconds()
            );
            return Err(ApiError::bad_parameter("step", "out-of-range", message));
        }
        let to = self.to.unwrap_or_else(Utc::now);
        let from = self
            .from
            .or_else(|| to.checked_sub_signed(LOOK_BACK))
            .unwrap_or(to);
        Ok((SeriesRange::covering(from, to, step, MOST_POINTS), self.kind))
    }
}

impl Point {
    fn of(at: DateTime<Utc>, bucket: &SeriesBucket) -> Self {
        let all = bucket.total.count();
        let cold = bucket.cold_starts;
        Self {
            at,
            succeeded: bucket.succeeded,
            failed: bucket.failed,
            lost: bucket.lost,
            timed_out: bucket.timed_out,
            refused: bucket.refused,
            cancelled: bucket.cancelled,
            turned_away: bucket.turned_away,
            cold_starts: cold,
            cold_start_share: (all > 0).then(|| cold as f64 / all as f64),
            cold_start_ms: (cold > 0).then(|| milliseconds(bucket.cold_wait) / cold as f64),
            total: Times::of(&bucket.total),
            queue: Times::of(&bucket.queue),
            handler: Times::of(&bucket.handler),
            most_waiting: bucket.most_waiting,
            most_running: bucket.most_running,
            most_runners: bucket.most_runners,
        }
    }
}

impl Times {
    fn of(times: &HistogramView) -> Self {
        let percentile = |part| times.percentile(part).map(milliseconds);
        let count = times.count();
        Self {
            mean_ms: (count > 0).then(|| milliseconds(times.sum) / count as f64),
            p50_ms: percentile(0.5),
            p95_ms: percentile(0.95),
            p99_ms: percentile(0.99),
        }
    }
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
