//! Reading rollups, as points of a chart.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jobber_actors::domain::JobId;
use jobber_actors::metrics::{BUCKETS, HistogramView};
use tokio_postgres::Row;
use uuid::Uuid;

use super::PostgresRollups;
use crate::store::error::DatabaseError;
use crate::store::jobs::TriggerType;

/// How far the points of a chart are apart. Each divides a day, so that points lie at the same times whatever is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(u32);

impl Step {
    /// All of them, in seconds.
    const ALL: [u32; 12] = [
        60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    ];
    /// The shortest one.
    pub const SHORTEST: Self = Self(60);
    /// The longest one.
    pub const LONGEST: Self = Self(86_400);

    /// The shortest one that is at least so long; the longest one if none is.
    #[must_use]
    pub fn at_least(seconds: u32) -> Self {
        let fits = Self::ALL.into_iter().find(|step| *step >= seconds);
        fits.map_or(Self::LONGEST, Self)
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }

    fn length(self) -> TimeDelta {
        TimeDelta::seconds(self.0.into())
    }
}

/// The points of a chart: every one is there, whether anything happened or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesRange {
    from: DateTime<Utc>,
    points: u32,
    step: Step,
}

impl SeriesRange {
    /// Points that cover the time between these two, with steps of at least so many seconds, and at most so many points. A longer time
    /// begins later.
    #[must_use]
    pub fn covering(from: DateTime<Utc>, to: DateTime<Utc>, step: u32, most: u32) -> Self {
        let step = Step::at_least(step.max(Self::needed(from, to, most)));
        let points_to = |from: i64| {
            let length = i64::from(step.seconds());
            let last = to.timestamp().saturating_add(length - 1).div_euclid(length);
            (from.div_euclid(length), last)
        };
        let (first, last) = points_to(from.timestamp());
        let first = first.max(last - i64::from(most));
        let begins = first * i64::from(step.seconds());
        Self {
            from: DateTime::from_timestamp(begins, 0).unwrap_or(from),
            points: u32::try_from(last - first).unwrap_or_default(),
            step,
        }
    }

    /// How long a step has to be, in seconds, so that there are so many points at most, one that is cut at either end included.
    fn needed(from: DateTime<Utc>, to: DateTime<Utc>, most: u32) -> u32 {
        let seconds = (to - from).num_seconds().max(0);
        let needed = seconds / i64::from(most.saturating_sub(2).max(1)) + 1;
        u32::try_from(needed).unwrap_or(u32::MAX)
    }

    /// The time of the first point.
    #[must_use]
    pub const fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// When the last point ends.
    #[must_use]
    pub fn to(&self) -> DateTime<Utc> {
        self.at(self.points)
    }

    /// How far the points are apart.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// When each point begins.
    pub fn times(&self) -> impl Iterator<Item = DateTime<Utc>> {
        (0..self.points).map(|point| self.at(point))
    }

    fn at(&self, point: u32) -> DateTime<Utc> {
        let ahead = i32::try_from(point)
            .ok()
            .and_then(|point| self.step.length().checked_mul(point));
        ahead
            .and_then(|ahead| self.from.checked_add_signed(ahead))
            .unwrap_or(self.from)
    }
}

/// Of which invocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesFilter {
    /// Those of these jobs.
    pub jobs: Vec<JobId>,
    /// Those that one kind of trigger started; of all without.
    pub kind: Option<TriggerType>,
}

/// What invocations came to within one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesBucket {
    /// How many ended in each way.
    pub succeeded: u64,
    /// Likewise.
    pub failed: u64,
    /// Likewise.
    pub lost: u64,
    /// Likewise.
    pub timed_out: u64,
    /// Likewise.
    pub refused: u64,
    /// Likewise.
    pub cancelled: u64,
    /// Requests that found no place in a queue.
    pub turned_away: u64,
    /// Those that waited for a new runner.
    pub cold_starts: u64,
    /// How long they waited for it, all together.
    pub cold_wait: Duration,
    /// From the admission to the answer.
    pub total: HistogramView,
    /// In the queue.
    pub queue: HistogramView,
    /// With the runner.
    pub handler: HistogramView,
    /// The most that waited at the same time, over all servers.
    pub most_waiting: u64,
    /// The most that runners worked on at the same time.
    pub most_running: u64,
    /// The most runners that served at the same time.
    pub most_runners: u64,
}

impl SeriesBucket {
    /// Puts what came to pass within another step to this: counts and times add up, of levels the greatest stays.
    pub fn merge(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.lost += other.lost;
        self.timed_out += other.timed_out;
        self.refused += other.refused;
        self.cancelled += other.cancelled;
        self.turned_away += other.turned_away;
        self.cold_starts += other.cold_starts;
        self.cold_wait += other.cold_wait;
        self.total.merge(&other.total);
        self.queue.merge(&other.queue);
        self.handler.merge(&other.handler);
        self.most_waiting = self.most_waiting.max(other.most_waiting);
        self.most_running = self.most_running.max(other.most_running);
        self.most_runners = self.most_runners.max(other.most_runners);
    }
}

const COUNTS: [&str; 12] = [
    "succeeded",
    "failed",
    "lost",
    "timed_out",
    "refused",
    "cancelled",
    "turned_away",
    "cold_starts",
    "cold_us",
    "total_us",
    "queue_us",
    "handler_us",
];
const TIMES: [&str; 3] = ["total", "queue", "handler"];
const CONDITIONS: &str = "
    job_id = any ($1) and minute >= $2 and minute < $3 and ($5::text is null or kind = $5)";
/// The number of the step in which a minute lies, after the first.
pub(super) const POINT: &str = "floor(extract(epoch from minute - $2) / $4::float8)::integer as point";

/// Adds up. An array's places are added one by one: taking arrays apart into rows costs ten times as much.
static SUMS: LazyLock<String> = LazyLock::new(|| {
    let counts = COUNTS.map(|column| format!("sum({column})::bigint as {column}"));
    let times = TIMES.map(|column| {
        let places = (1..=BUCKETS).map(|place| format!("sum({column}[{place}])::bigint"));
        format!("array[{}] as {column}", places.collect::<Vec<_>>().join(", "))
    });
    let longest = TIMES.map(longest);
    let columns = [&counts[..], &times[..], &longest[..]].concat().join(", ");
    format!("select {POINT}, {columns} from metric_rollups where {CONDITIONS} group by point")
});
/// The longest of all rows, unless one does not say it.
pub(super) fn longest(column: &str) -> String {
    format!(
        "case when bool_and({column}_max_us is not null) then max({column}_max_us) end as {column}_max_us"
    )
}

/// Levels of the same minute add up over jobs and servers; of a step the greatest counts. The rows of a job's kinds say the same.
static LEVELS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {POINT}, max(waiting)::bigint as waiting, max(running)::bigint as running, max(runners)::bigint as runners
         from (select minute, sum(waiting) as waiting, sum(running) as running, sum(runners) as runners
               from (select minute, max(most_waiting) as waiting, max(most_running) as running, max(most_runners) as runners
                     from metric_rollups where {CONDITIONS} group by minute, job_id, server_id) as of_job
               group by minute) as of_minute
         group by point"
    )
});

impl PostgresRollups {
    /// What these invocations came to in each step of the range.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn series(
        &self,
        filter: &SeriesFilter,
        range: &SeriesRange,
    ) -> Result<Vec<SeriesBucket>, DatabaseError> {
        let mut buckets = vec![SeriesBucket::default(); usize::try_from(range.points).unwrap_or_default()];
        if filter.jobs.is_empty() || buckets.is_empty() {
            return Ok(buckets);
        }
        let jobs: Vec<Uuid> = filter.jobs.iter().map(|job| *job.as_uuid()).collect();
        let step = f64::from(range.step.seconds());
        let kind = filter.kind.map(TriggerType::name);
        let (from, to) = (range.from(), range.to());
        let client = self.database.client().await?;
        let statement = client.prepare_cached(&SUMS).await?;
        for row in client
            .query(&statement, &[&jobs, &from, &to, &step, &kind])
            .await?
        {
            if let Some(bucket) = bucket_of(&row, &mut buckets) {
                read_sums(&row, bucket);
            }
        }
        let statement = client.prepare_cached(&LEVELS).await?;
        for row in client
            .query(&statement, &[&jobs, &from, &to, &step, &kind])
            .await?
        {
            if let Some(bucket) = bucket_of(&row, &mut buckets) {
                bucket.most_waiting = count(&row, "waiting");
                bucket.most_running = count(&row, "running");
                bucket.most_runners = count(&row, "runners");
            }
        }
        Ok(buckets)
    }
}

fn bucket_of<'a>(row: &Row, buckets: &'a mut [SeriesBucket]) -> Option<&'a mut SeriesBucket> {
    let point: i32 = row.get("point");
    usize::try_from(point)
        .ok()
        .and_then(|point| buckets.get_mut(point))
}

fn read_sums(row: &Row, bucket: &mut SeriesBucket) {
    let microseconds = |column| Duration::from_micros(count(row, column));
    let times = |column| counts_of(row, column);
    *bucket = SeriesBucket {
        succeeded: count(row, "succeeded"),
        failed: count(row, "failed"),
        lost: count(row, "lost"),
        timed_out: count(row, "timed_out"),
        refused: count(row, "refused"),
        cancelled: count(row, "cancelled"),
        turned_away: count(row, "turned_away"),
        cold_starts: count(row, "cold_starts"),
        cold_wait: microseconds("cold_us"),
        total: times("total"),
        queue: times("queue"),
        handler: times("handler"),
        ..SeriesBucket::default()
    };
}

/// A histogram out of its counts, its sum and its longest in microseconds.
pub(super) fn counts_of(row: &Row, column: &str) -> HistogramView {
    let counts: Vec<i64> = row.get(column);
    let mut counts = counts
        .into_iter()
        .map(|count| u64::try_from(count).unwrap_or_default());
    HistogramView {
        counts: std::array::from_fn(|_| counts.next().unwrap_or_default()),
        sum: Duration::from_micros(count(row, &format!("{column}_us"))),
        longest: row
            .get::<_, Option<i64>>(format!("{column}_max_us").as_str())
            .and_then(|longest| u64::try_from(longest).ok())
            .map(Duration::from_micros),
    }
}

pub(super) fn count(row: &Row, column: &str) -> u64 {
    u64::try_from(row.get::<_, i64>(column)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jobber_actors::metrics::BOUNDS;

    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().expect("is a time")
    }

    #[test]
    fn points_lie_at_round_times_and_cover_the_range() {
        let range = SeriesRange::covering(
            time("2026-03-01T10:02:30Z"),
            time("2026-03-01T10:13:00Z"),
            100,
            1_500,
        );
        assert_eq!(range.step().seconds(), 120);
        let times: Vec<_> = range.times().map(|time| time.to_rfc3339()).collect();
        assert_eq!(
            times.first().map(String::as_str),
            Some("2026-03-01T10:02:00+00:00")
        );
        assert_eq!(
            times.last().map(String::as_str),
            Some("2026-03-01T10:12:00+00:00")
        );
        assert_eq!((times.len(), range.to()), (6, time("2026-03-01T10:14:00Z")));
    }

    #[test]
    fn a_longer_range_has_longer_steps_and_never_more_points() {
        let to = time("2026-03-01T10:13:07Z");
        for (days, step) in [
            (0, 60),
            (1, 60),
            (2, 120),
            (7, 600),
            (30, 1_800),
            (365, 21_600),
            (1_400, 86_400),
        ] {
            let range = SeriesRange::covering(to - TimeDelta::days(days), to, 0, 1_500);
            assert_eq!(range.step().seconds(), step, "{days} days");
            assert!(range.times().count() <= 1_500);
            assert!(range.to() >= to && range.from() <= to - TimeDelta::days(days));
        }
        // Longer than any step allows: it begins later.
        let ever = SeriesRange::covering(
            time("0001-01-01T00:00:00Z"),
            time("9999-12-31T23:59:59Z"),
            0,
            1_500,
        );
        assert_eq!((ever.times().count(), ever.step()), (1_500, Step::LONGEST));
        assert!(ever.to() >= time("9999-12-31T23:59:59Z"));
    }

    #[test]
    fn steps_add_up_and_of_levels_the_greatest_stays() {
        let step = |succeeded, most_waiting, place: usize| {
            let mut total = HistogramView::default();
            total.counts[place] = succeeded;
            total.sum = Duration::from_secs_f64(BOUNDS[place] * succeeded as f64);
            SeriesBucket {
                succeeded,
                most_waiting,
                total,
                ..SeriesBucket::default()
            }
        };
        let mut whole = step(9, 4, 0);
        whole.merge(&step(1, 2, 10));
        assert_eq!((whole.succeeded, whole.most_waiting), (10, 4));
        // Not the mean of both steps' percentiles: one in ten took up to a second.
        let percentile = |part| whole.total.percentile(part).unwrap();
        assert!(percentile(0.5) < Duration::from_millis(1));
        assert!(percentile(0.95) > Duration::from_millis(500));
    }

    #[test]
    fn a_range_that_ends_before_it_begins_has_no_points() {
        let range = SeriesRange::covering(
            time("2026-03-02T00:00:00Z"),
            time("2026-03-01T00:00:00Z"),
            60,
            1_500,
        );
        assert_eq!(range.times().count(), 0);
    }
}
