//! How long things took, as counts of durations up to some bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Up to how long, in seconds. What took longer than the last is in none but the whole count.
pub const BOUNDS: [f64; 14] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Counts of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Of each bound those that are at most so long, and longer than the bound before; then those beyond all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// The counts of some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistogramView {
    /// Of each of [`BOUNDS`] those that are longer than the bound before and at most so long; then those beyond all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// The sum of all durations.
    pub sum: Duration,
}

impl Histogram {
    /// One more of this length.
    pub fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What is counted so far. Additions that happen meanwhile may be in one number and not yet in another.
    #[must_use]
    pub fn view(&self) -> HistogramView {
        HistogramView {
            counts: std::array::from_fn(|bucket| {
                self.counts
                    .get(bucket)
                    .map_or(0, |count| count.load(Ordering::Relaxed))
            }),
            sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

impl HistogramView {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for milliseconds in [0, 1, 2, 30, 30_000, 30_001, 600_000] {
            histogram.add(Duration::from_millis(milliseconds));
        }
        let view = histogram.view();
        let mut expected = [0; BOUNDS.len() + 1];
        expected[0] = 2; // up to 1 ms
        expected[1] = 1; // up to 2.5 ms
        expected[5] = 1; // up to 50 ms
        expected[13] = 1; // up to 30 s
        expected[14] = 2;
        assert_eq!(view.counts, expected);
        assert_eq!(view.count(), 7);
        assert_eq!(view.sum, Duration::from_millis(660_034));
    }
}
