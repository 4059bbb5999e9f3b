//! How long things took, as counts of durations up to some bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many bounds there are.
const BOUND_COUNT: usize = 17;

/// Up to how long, in seconds. What took longer than the last is in none but the whole count.
///
/// A warm call takes about half a millisecond, a cold start between a tenth of a second and some seconds; each step is at most 2.5
/// times the one before, so that a percentile is off by less than that. 30 and 60 are how long things may take unless a package says
/// otherwise (the wait for a runner, the handler), so that what came up to its limit stands apart; 300 is for packages that allow more.
/// The same for all that is timed: parts can be compared with the whole, and series stay few. What is kept in the database goes by the
/// places of these bounds: others need a migration.
pub const BOUNDS: [f64; BOUND_COUNT] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// A count for each bound, and one for what is beyond all.
pub const BUCKETS: usize = BOUND_COUNT + 1;

/// Counts of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Of each bound those that are at most so long, and longer than the bound before; then those beyond all.
    counts: [AtomicU64; BUCKETS],
    nanoseconds: AtomicU64,
    /// The longest since it was taken, in nanoseconds.
    longest: AtomicU64,
}

/// The counts of some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistogramView {
    /// Of each of [`BOUNDS`] those that are longer than the bound before and at most so long; then those beyond all.
    pub counts: [u64; BUCKETS],
    /// The sum of all durations.
    pub sum: Duration,
    /// The longest of them, where it is known.
    pub longest: Option<Duration>,
}

impl Histogram {
    /// One more of this length.
    pub fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        // Before it is counted, so that whoever sees the count sees this, too. Most are not the longest: then nothing is written.
        if nanoseconds > self.longest.load(Ordering::Relaxed) {
            self.longest.fetch_max(nanoseconds, Ordering::Relaxed);
        }
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The longest since this was asked last. One that is added meanwhile may count now and be the longest of the next time.
    pub(super) fn take_longest(&self) -> Duration {
        Duration::from_nanos(self.longest.swap(0, Ordering::Relaxed))
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
            longest: None,
        }
    }
}

impl HistogramView {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was added since an earlier view of the same histogram. Which was the longest of it is not known.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            counts: std::array::from_fn(|bucket| {
                let at = |view: &Self| view.counts.get(bucket).copied().unwrap_or_default();
                at(self).saturating_sub(at(earlier))
            }),
            sum: self.sum.saturating_sub(earlier.sum),
            longest: None,
        }
    }

    /// Puts another one's counts to these.
    pub fn merge(&mut self, other: &Self) {
        self.longest = match (self.count(), other.count()) {
            (_, 0) => self.longest,
            (0, _) => other.longest,
            _ => self.longest.zip(other.longest).map(|(one, two)| one.max(two)),
        };
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// About how long the given part of them took at most (0.5 is the median), as if they were spread evenly between two bounds, and never
    /// longer than the longest. Where that is not known, never longer than their sum allows: of few, that is often less than the bound,
    /// and of a single one it is how long that took. What is beyond the last bound counts as that long. `None` without any.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Option<Duration> {
        let all = self.count();
        if all == 0 {
            return None;
        }
        let rank = part.clamp(0.0, 1.0) * all as f64;
        let mut below = 0.0;
        let mut least = 0.0;
        // How long all that is below the bucket took at least.
        let mut least_below = 0.0;
        for (bound, count) in BOUNDS.into_iter().zip(self.counts) {
            let count = count as f64;
            if count > 0.0 && below + count >= rank {
                let share = ((rank - below) / count).clamp(0.0, 1.0);
                let estimate = least + (bound - least) * share;
                let shorter = (rank.ceil() - 1.0).max(0.0);
                let least_shorter = least_below + (shorter - below) * least;
                let ceiling = match self.longest {
                    Some(longest) => longest.as_secs_f64(),
                    None => self.ceiling(shorter, least_shorter),
                };
                return Some(Duration::from_secs_f64(estimate.min(ceiling).max(least)));
            }
            below += count;
            least_below += count * least;
            least = bound;
        }
        Some(Duration::from_secs_f64(least))
    }

    /// How long the next one can have taken at most, in seconds, when as many as `shorter` were not longer and took `least_shorter` at
    /// least all together: all others took as long as it, or longer, and no more than the sum is left for them.
    fn ceiling(&self, shorter: f64, least_shorter: f64) -> f64 {
        let longer = self.count() as f64 - shorter;
        (self.sum.as_secs_f64() - least_shorter) / longer
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
        let mut expected = [0; BUCKETS];
        expected[0] = 1; // up to 0.5 ms
        expected[1] = 1; // up to 1 ms
        expected[2] = 1; // up to 2.5 ms
        expected[6] = 1; // up to 50 ms
        expected[14] = 1; // up to 30 s
        expected[15] = 1; // up to a minute
        expected[17] = 1;
        assert_eq!(view.counts, expected);
        assert_eq!(view.count(), 7);
        assert_eq!(view.sum, Duration::from_millis(660_034));
    }

    #[test]
    fn a_percentile_lies_between_the_bounds_of_its_bucket() {
        let histogram = Histogram::default();
        assert_eq!(histogram.view().percentile(0.5), None);
        for _ in 0..90 {
            histogram.add(Duration::from_millis(8));
        }
        for _ in 0..9 {
            histogram.add(Duration::from_millis(400));
        }
        histogram.add(Duration::from_secs(1_000));
        let view = histogram.view();
        let within = |part: f64, least: f64, most: f64| {
            let found = view.percentile(part).expect("there are some").as_secs_f64();
            assert!((least..=most).contains(&found), "{part}: {found}");
        };
        within(0.0, 0.005, 0.01);
        within(0.5, 0.005, 0.01);
        within(0.95, 0.25, 0.5);
        within(0.99, 0.25, 0.5);
        within(1.0, 300.0, 300.0);
    }

    #[test]
    fn a_percentile_is_no_longer_than_the_sum_allows() {
        let of = |milliseconds: &[u64]| {
            let histogram = Histogram::default();
            for each in milliseconds {
                histogram.add(Duration::from_millis(*each));
            }
            histogram.view()
        };
        let found = |milliseconds: &[u64], part| of(milliseconds).percentile(part).unwrap();
        // The only one was the longest: between the bounds, 95 of a hundred would have been reckoned to take 9.75 ms.
        for part in [0.5, 0.95, 1.0] {
            assert!(found(&[6], part) <= Duration::from_micros(6_001), "{part}");
        }
        // The other one took 5 ms at least.
        assert!(found(&[6, 6], 0.95) <= Duration::from_micros(7_001));
        assert!(found(&[1, 1, 1, 300], 0.95) < Duration::from_millis(303));
        // Where there are many, the sum says little about the longest; it never makes a percentile leave its bucket.
        let many = [8; 100];
        assert!(found(&many, 0.95) > Duration::from_millis(8));
        assert!(found(&many, 1.0) <= Duration::from_millis(10));
        let mut late = of(&many);
        late.sum = Duration::ZERO;
        assert_eq!(late.percentile(0.95), Some(Duration::from_millis(5)));
    }

    #[test]
    fn no_percentile_is_longer_than_the_longest() {
        let histogram = Histogram::default();
        for microseconds in [6_000, 6_100, 6_200, 6_050] {
            for _ in 0..5 {
                histogram.add(Duration::from_micros(microseconds));
            }
        }
        let mut view = histogram.view();
        let longest = Duration::from_micros(6_200);
        assert!(view.percentile(0.95).unwrap() > longest, "it is not known");
        view.longest = Some(histogram.take_longest());
        assert_eq!(view.longest, Some(longest));
        assert_eq!(view.percentile(0.95), Some(longest));
        assert!(view.percentile(0.1).unwrap() < longest);
        histogram.add(Duration::from_micros(7));
        assert_eq!(
            histogram.take_longest(),
            Duration::from_micros(7),
            "since it was taken"
        );

        // Of two together it is known if it is of both, or of the only one that has any.
        let mut both = view;
        both.merge(&HistogramView::default());
        assert_eq!(both.longest, Some(longest));
        let mut none = HistogramView::default();
        none.merge(&view);
        assert_eq!(none.longest, Some(longest));
        both.merge(&HistogramView {
            longest: Some(Duration::from_secs(1)),
            ..view
        });
        assert_eq!(both.longest, Some(Duration::from_secs(1)));
        both.merge(&HistogramView {
            longest: None,
            ..view
        });
        assert_eq!(both.longest, None);
    }

    #[test]
    fn what_was_added_between_two_views_is_their_difference() {
        let histogram = Histogram::default();
        histogram.add(Duration::from_millis(8));
        let earlier = histogram.view();
        histogram.add(Duration::from_millis(9));
        histogram.add(Duration::from_secs(2));
        let mut since = histogram.view().since(&earlier);
        assert_eq!((since.count(), since.sum), (2, Duration::from_millis(2_009)));
        since.merge(&earlier);
        assert_eq!(since, histogram.view());
    }
}
