//! How much one runner may log: a bucket of bytes that fills as time goes by.

use std::time::Duration;

use tokio::time::Instant;

/// What a runner may log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRate {
    /// Bytes each second, on average.
    pub bytes_per_second: u64,
    /// Bytes at once.
    pub burst_bytes: u64,
}

impl Default for LogRate {
    fn default() -> Self {
        Self {
            bytes_per_second: 1024 * 1024,
            burst_bytes: 4 * 1024 * 1024,
        }
    }
}

const NANOSECONDS: u128 = 1_000_000_000;

/// How much one runner may log now. Pure: it is told what time it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogThrottle {
    rate: LogRate,
    bytes: u64,
    /// Up to when the bucket was filled.
    filled: Instant,
}

impl LogThrottle {
    /// A full bucket.
    pub(super) const fn new(rate: LogRate, now: Instant) -> Self {
        Self {
            rate,
            bytes: rate.burst_bytes,
            filled: now,
        }
    }

    /// Whether something of so many bytes may be logged; then they are taken out. What is larger than the bucket passes when it is full.
    pub(super) fn admit(&mut self, bytes: u64, now: Instant) -> bool {
        self.fill(now);
        let bytes = bytes.min(self.rate.burst_bytes);
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }

    /// Whether it is as good as new.
    pub(super) fn is_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.bytes == self.rate.burst_bytes
    }

    fn fill(&mut self, now: Instant) {
        let rate = u128::from(self.rate.bytes_per_second.max(1));
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        let earned = passed * rate / NANOSECONDS;
        let room = u128::from(self.rate.burst_bytes - self.bytes);
        if earned >= room {
            self.bytes = self.rate.burst_bytes;
            self.filled = now;
            return;
        }
        // Only whole bytes are earned; the rest of the time counts on.
        let (Ok(bytes), Ok(spent)) = (u64::try_from(earned), u64::try_from(earned * NANOSECONDS / rate))
        else {
            return;
        };
        self.bytes += bytes;
        self.filled += Duration::from_nanos(spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: LogRate = LogRate {
        bytes_per_second: 100,
        burst_bytes: 1_000,
    };

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let begin = Instant::now();
        let mut throttle = LogThrottle::new(RATE, begin);
        let passed = (0..50).filter(|_| throttle.admit(100, begin)).count();
        assert_eq!(passed, 10);
        // Asked a thousand times a second, for a minute.
        let passed = (1..=60_000)
            .filter(|millisecond| throttle.admit(100, begin + Duration::from_millis(*millisecond)))
            .count();
        assert_eq!(passed, 60);
    }

    #[test]
    fn silence_fills_the_bucket_and_no_more() {
        let begin = Instant::now();
        let mut throttle = LogThrottle::new(RATE, begin);
        assert!(throttle.admit(1_000, begin));
        assert!(!throttle.is_full(begin + Duration::from_secs(9)));
        let later = begin + Duration::from_secs(1_000);
        assert!(throttle.is_full(later));
        assert_eq!((0..50).filter(|_| throttle.admit(100, later)).count(), 10);
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_when_it_is_full() {
        let begin = Instant::now();
        let mut throttle = LogThrottle::new(RATE, begin);
        assert!(throttle.admit(5_000, begin));
        assert!(!throttle.admit(5_000, begin + Duration::from_secs(9)));
        assert!(throttle.admit(5_000, begin + Duration::from_secs(10)));
    }
}
