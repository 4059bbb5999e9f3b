//! How late timers are: pure, the time is always told.

use std::time::Duration;

use tokio::time::Instant;

/// The greatest lateness is that of at least so long, and at most of twice as long: whoever looks every quarter of a minute misses none.
const WINDOW: Duration = Duration::from_secs(15);

/// How late the timers of one arbiter are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lag {
    /// When the timer is due that is set.
    due: Option<Instant>,
    /// Since when the present window is.
    since: Option<Instant>,
    /// The greatest lateness of the present window, and of the one before.
    greatest: Duration,
    before: Duration,
}

impl Lag {
    /// A timer is set.
    pub(super) fn set(&mut self, due: Instant) {
        self.due = Some(due);
    }

    /// The timer has come.
    pub(super) fn came(&mut self, now: Instant) {
        let late = self.late(now);
        self.due = None;
        if now.saturating_duration_since(*self.since.get_or_insert(now)) >= WINDOW {
            self.since = Some(now);
            self.before = std::mem::take(&mut self.greatest);
        }
        self.greatest = self.greatest.max(late);
    }

    /// No timer is set any more: the arbiter ends.
    pub(super) fn cleared(&mut self) {
        self.due = None;
    }

    /// The greatest lateness of late, that of a timer that has not come yet included.
    pub(super) fn greatest(&self, now: Instant) -> Duration {
        self.late(now).max(self.greatest).max(self.before)
    }

    fn late(&self, now: Instant) -> Duration {
        self.due
            .map_or(Duration::ZERO, |due| now.saturating_duration_since(due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_greatest_lateness_is_seen_for_a_window_at_least_and_two_at_most() {
        let begin = Instant::now();
        let mut lag = Lag::default();
        let mut at = Duration::ZERO;
        let mut beat = |lag: &mut Lag, late: Duration| {
            lag.set(begin + at + ms(250));
            at += ms(250) + late;
            lag.came(begin + at);
            begin + at
        };
        let mut now = beat(&mut lag, ms(1));
        assert_eq!(lag.greatest(now), ms(1));
        let stuck = beat(&mut lag, ms(700));
        while now < stuck + WINDOW {
            now = beat(&mut lag, ms(2));
            assert_eq!(lag.greatest(now), ms(700));
        }
        while now < stuck + 2 * WINDOW {
            now = beat(&mut lag, ms(2));
        }
        assert_eq!(lag.greatest(now), ms(2));
    }

    #[test]
    fn an_arbiter_that_is_stuck_now_is_seen_before_it_is_free_again() {
        let begin = Instant::now();
        let mut lag = Lag::default();
        lag.set(begin);
        assert_eq!(lag.greatest(begin + ms(3_000)), ms(3_000));
        // Until it ends.
        lag.cleared();
        assert_eq!(lag.greatest(begin + ms(4_000)), ms(0));
    }
}
