//! What each of many jobs came to over a span, with a few points of a small chart.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jobber_actors::domain::JobId;
use jobber_actors::metrics::{BUCKETS, HistogramView};
use uuid::Uuid;

use super::PostgresRollups;
use super::series::{POINT, SeriesRange, count, counts_of, longest};
use crate::store::error::DatabaseError;

/// What a job's invocations came to over a span.
#[derive(Clone, Debug, PartialEq)]
pub struct JobFigures {
    /// How many ended, requests that found no place in a queue included: at each point.
    pub counts: Vec<u64>,
    /// Those of them that went wrong: neither succeeded nor cancelled.
    pub errors: Vec<u64>,
    /// Those that waited for a new runner, over the whole span.
    pub cold_starts: u64,
    /// How long they took from the admission to the answer, over the whole span.
    pub total: HistogramView,
}

static SUMS: LazyLock<String> = LazyLock::new(|| {
    let places = (1..=BUCKETS).map(|place| format!("sum(total[{place}])::bigint"));
    let places = places.collect::<Vec<_>>().join(", ");
    let longest = longest("total");
    format!(
        "select job_id, {POINT},
                sum(succeeded + cancelled)::bigint as well,
                sum(failed + lost + timed_out + refused + turned_away)::bigint as errors,
                sum(cold_starts)::bigint as cold_starts, sum(total_us)::bigint as total_us, array[{places}] as total, {longest}
         from metric_rollups where job_id = any ($1) and minute >= $2 and minute < $3
         group by job_id, point"
    )
});

impl PostgresRollups {
    /// What each of these jobs came to in the range, those left out of which nothing is known there. One query, whatever their number.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn of_jobs(
        &self,
        jobs: &[JobId],
        range: &SeriesRange,
    ) -> Result<BTreeMap<JobId, JobFigures>, DatabaseError> {
        let points = range.times().count();
        let mut figures: BTreeMap<JobId, JobFigures> = BTreeMap::new();
        if jobs.is_empty() || points == 0 {
            return Ok(figures);
        }
        let jobs: Vec<Uuid> = jobs.iter().map(|job| *job.as_uuid()).collect();
        let step = f64::from(range.step().seconds());
        let client = self.database.client().await?;
        let statement = client.prepare_cached(&SUMS).await?;
        for row in client
            .query(&statement, &[&jobs, &range.from(), &range.to(), &step])
            .await?
        {
            let of_job = figures
                .entry(row.get::<_, Uuid>("job_id").into())
                .or_insert_with(|| JobFigures {
                    counts: vec![0; points],
                    errors: vec![0; points],
                    cold_starts: 0,
                    total: HistogramView::default(),
                });
            let point = usize::try_from(row.get::<_, i32>("point")).unwrap_or(usize::MAX);
            let errors = count(&row, "errors");
            if let (Some(all), Some(wrong)) = (of_job.counts.get_mut(point), of_job.errors.get_mut(point)) {
                *all = count(&row, "well") + errors;
                *wrong = errors;
            }
            of_job.cold_starts += count(&row, "cold_starts");
            of_job.total.merge(&counts_of(&row, "total"));
        }
        Ok(figures)
    }
}
